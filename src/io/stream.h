/*
 * io/stream.h - TCP over IPv4 and IPv6: listen, connect, read, write with back-pressure.
 *
 * What is written goes into the kernel at once, or is refused: nothing is buffered here. The kernel
 * keeps at most IO_STREAM_UNSENT bytes that it has not sent (TCP_NOTSENT_LOWAT), so that whoever decides
 * what goes next decides late. on_writable comes when there is place again after a short write.
 *
 * Ownership: a stream is the caller's, from io_stream_connect or on_accept to io_stream_close. It may be
 * closed inside its own callbacks. Threads: loop only.
 */
#ifndef LX_IO_STREAM_H
#define LX_IO_STREAM_H

#include "base/err.h"
#include "base/hash.h"
#include "base/why.h"
#include "io/loop.h"

#define IO_STREAM_UNSENT (32 * 1024)
#define IO_STREAM_READ_MAX (64 * 1024) /* bytes of one on_bytes */

struct io_stream;
struct io_listener;

/* An address as 16 bytes (IPv4 mapped) and a port. */
struct io_addr {
        uint8_t ip[16];
        uint16_t port;
};

struct io_stream_calls {
        /* The connection is there (connect only). */
        void (*on_connected)(void *arg);
        /* Bytes came; the memory is valid during the call. */
        void (*on_bytes)(void *arg, const uint8_t *bytes, size_t len);
        /* There is place again. */
        void (*on_writable)(void *arg);
        /* It failed or ended; @text says how. The caller closes it. */
        void (*on_end)(void *arg, const char *text);
        void *arg;
};

/** "ADDRESS:PORT" or "[ADDRESS6]:PORT", of numbers alone; port 0: any. false: it is neither. */
bool io_addr_parse(const char *where, struct io_addr *out);
/** Whether only this machine is reached there. */
bool io_addr_is_local(const struct io_addr *addr);

/** Begin to connect. NULL: the system refuses at once, *why says how. */
struct io_stream *io_stream_connect(struct io_loop *loop, const struct io_addr *addr,
    const struct io_stream_calls *calls, struct lx_why *why);
/** Whom to call from now on (of an accepted stream), and begin to read. */
void io_stream_start(struct io_stream *stream, const struct io_stream_calls *calls);
/** Write; how many bytes the kernel took, at once. Less than @len: on_writable will come. */
size_t io_stream_write(struct io_stream *stream, const uint8_t *bytes, size_t len);
/** Have on_writable called when there is place, in a later turn of the loop. */
void io_stream_want_writable(struct io_stream *stream);
/** Stop or go on reading: bytes stay in the kernel, and TCP pushes back. */
void io_stream_set_reading(struct io_stream *stream, bool reading);
/** Close and free; NULL is fine. */
void io_stream_close(struct io_stream *stream);

/**
 * Listen on "ADDRESS:PORT" or "[ADDRESS6]:PORT" (with "[::]" on both families). @on_accept is given each
 * stream with the other side's address. *out_port: the port it got.
 * LX_ERR_USAGE: no such form; LX_ERR_BUSY: the address is in use; LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err io_listen(struct io_loop *loop, const char *where,
    void (*on_accept)(void *arg, struct io_stream *stream, const struct io_addr *addr), void *arg,
    struct io_listener **out_listener, unsigned *out_port, struct lx_why *why);
/** Stop listening; NULL is fine. */
void io_listener_close(struct io_listener *listener);

#endif
