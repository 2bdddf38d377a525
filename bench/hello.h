/*
 * bench/hello.h - the least that a server can do: a bare evhttp that answers "hello".
 */
#ifndef LX_BENCH_HELLO_H
#define LX_BENCH_HELLO_H

/** Serve on 127.0.0.1, port *(unsigned *)@port, for ever; for bench_start_fn. */
void hello_serve(void *port);

#endif
