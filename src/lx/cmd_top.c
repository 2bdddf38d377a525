/*
 * lx/cmd_top.c - the node, live in a terminal: a frame a second on the terminal's other screen, made anew from what
 * node.status and peer.list say, cut to the size that the terminal has at that moment. q, Esc or an interrupt ends it.
 * Where standard output is no terminal it prints one frame and ends.
 */
#include "config.h"
#include "lx/lx.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MS 1000
#define GAPS_MAX 60
#define ESC "\033"
#define COLUMNS_MAX 400

struct top {
        struct lx *lx;
        struct lx_buf frame;
        unsigned columns, rows, row; /* rows 0: no terminal, all of it */
        uint64_t height;             /* of the newest gap */
        uint64_t gap_ms[GAPS_MAX];   /* between blocks, the newest last */
        size_t gap_count;
        uint64_t time_ms;            /* of the newest block, by this machine's clock when it was seen */
};

/* ---- lines -------------------------------------------------------------------------------------- */

/* One line of the frame, cut to the terminal's width; what does not fit below is left out. */
static void
line(struct top *top, const char *text)
{
        unsigned shown = 0;
        const char *at = text;

        if (top->rows > 0 && top->row >= top->rows)
                return;
        if (top->row > 0)
                lx_buf_append(&top->frame, "\r\n", top->rows > 0 ? 2 : 0);
        for (; *at != '\0' && (top->rows == 0 || shown < top->columns); at++) {
                unsigned char c = (unsigned char)*at;

                if ((c & 0xc0) == 0x80)
                        continue;
                shown++;
                /* Text of others must not move the cursor. */
                if (c < ' ' || c == 0x7f)
                        lx_buf_append(&top->frame, "?", 1);
                else
                        lx_buf_append(&top->frame, at, c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4);
        }
        if (top->rows > 0)
                lx_buf_append(&top->frame, ESC "[K", 3);
        else
                lx_buf_append(&top->frame, "\n", 1);
        top->row++;
}

__attribute__((format(printf, 2, 3))) static void
linef(struct top *top, const char *fmt, ...)
{
        struct lx_buf text = {0};
        char stack[2048];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(stack, sizeof(stack), fmt, ap);
        va_end(ap);
        lx_buf_printf(&text, "%s", stack);
        line(top, lx_buf_str(&text));
        lx_buf_clear(&text);
}

static const char *
size_text(uint64_t n, char out[24])
{
        static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB"};
        double v = (double)n;
        unsigned u = 0;

        for (; v >= 1024 && u < 4; u++)
                v /= 1024;
        (void)snprintf(out, 24, u == 0 ? "%.0f %s" : "%.1f %s", v, UNITS[u]);
        return out;
}

/* ---- the frame ---------------------------------------------------------------------------------- */

/* What happened since the last frame: a gap for each frame that saw a higher block. */
static void
note_block(struct top *top, const json_t *status)
{
        uint64_t height = lx_num(status, "height"), now = lx_clock_now_ms();

        if (height > top->height && top->height > 0) {
                if (top->gap_count == GAPS_MAX)
                        memmove(top->gap_ms, top->gap_ms + 1, (--top->gap_count) * sizeof(top->gap_ms[0]));
                top->gap_ms[top->gap_count++] = (now - top->time_ms) / (height - top->height);
        }
        if (height != top->height)
                top->time_ms = now;
        top->height = height;
}

static void
show_gaps(struct top *top)
{
        static const char *const BARS[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        struct lx_buf text = {0};
        uint64_t most = 1;

        for (size_t i = 0; i < top->gap_count; i++)
                most = top->gap_ms[i] > most ? top->gap_ms[i] : most;
        lx_buf_printf(&text, "blocks      ");
        for (size_t i = 0; i < top->gap_count; i++)
                lx_buf_printf(&text, "%s", BARS[top->gap_ms[i] * 7 / most]);
        lx_buf_printf(&text, "  at most %.1f s apart", (double)most / 1000);
        if (top->gap_count > 0)
                line(top, lx_buf_str(&text));
        lx_buf_clear(&text);
}

static void
show_consensus(struct top *top, const json_t *o)
{
        const json_t *cert = json_object_get(o, "certificate"), *state = json_object_get(o, "consensus");
        const json_t *missing = json_object_get(cert, "missing");
        struct lx_buf names = {0};

        for (size_t i = 0; i < json_array_size(missing); i++)
                lx_buf_printf(&names, "%s%s", i > 0 ? " " : "; missing: ",
                    json_string_value(json_array_get(missing, i)));
        if (json_is_object(cert))
                linef(top, "certificate %llu of %llu, round %llu%s", (unsigned long long)lx_num(cert, "signers"),
                    (unsigned long long)lx_num(cert, "of"), (unsigned long long)lx_num(cert, "round"),
                    lx_buf_str(&names));
        if (json_is_object(state) && strcmp(lx_str(o, "engine"), "bft") == 0)
                linef(top, "consensus   height %llu, round %llu, %s; %llu rounds lost, %llu pieces of evidence",
                    (unsigned long long)lx_num(state, "height"), (unsigned long long)lx_num(state, "round"),
                    lx_str(state, "step"), (unsigned long long)lx_num(state, "rounds_lost"),
                    (unsigned long long)lx_num(state, "evidence"));
        lx_buf_clear(&names);
}

static void
show_status(struct top *top, const json_t *o)
{
        const json_t *reasons = json_object_get(o, "reasons"), *store = json_object_get(o, "store");
        const json_t *pool = json_object_get(o, "mempool"), *peers = json_object_get(o, "peers");
        char disk[24], mem[24], wait[24];

        linef(top, "%s   lxnoded %s, %s%s   up %llu s", lx_str(o, "network"), lx_str(o, "version"), lx_str(o, "engine"),
            json_is_true(json_object_get(o, "validator")) ? ", validator" : "",
            (unsigned long long)lx_num(o, "uptime_ms") / 1000);
        linef(top, "height      %llu, %.1f s ago   %.16s...", (unsigned long long)lx_num(o, "height"),
            (double)lx_num(o, "age_ms") / 1000, lx_str(o, "hash"));
        linef(top, "ready       %s", json_is_true(json_object_get(o, "ready")) ? "yes" : "NO");
        for (size_t i = 0; i < json_array_size(reasons); i++)
                linef(top, "  because   %s", json_string_value(json_array_get(reasons, i)));
        show_consensus(top, o);
        show_gaps(top);
        linef(top, "waiting     %llu transactions, %s", (unsigned long long)lx_num(pool, "count"),
            size_text(lx_num(pool, "bytes"), wait));
        linef(top, "store       %s on disk, %s in memory, %llu commits", size_text(lx_num(store, "disk_bytes"), disk),
            size_text(lx_num(store, "mem_bytes"), mem), (unsigned long long)lx_num(store, "commits"));
        linef(top, "peers       %llu in, %llu out, %llu known", (unsigned long long)lx_num(peers, "inbound"),
            (unsigned long long)lx_num(peers, "outbound"), (unsigned long long)lx_num(peers, "known"));
}

static void
show_peers(struct top *top, const json_t *list)
{
        if (json_array_size(list) == 0)
                return;
        line(top, "");
        line(top, "peer              way   height      ms         in        out  address");
        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *p = json_array_get(list, i);
                char in[24], out[24];

                linef(top, "%.16s  %-3s %8llu  %6llu %10s %10s  %s", lx_str(p, "id"), lx_str(p, "direction"),
                    (unsigned long long)lx_num(p, "height"), (unsigned long long)lx_num(p, "latency_ms"),
                    size_text(lx_num(p, "bytes_in"), in), size_text(lx_num(p, "bytes_out"), out), lx_str(p, "address"));
        }
}

static void
show_guard(struct top *top, const json_t *g)
{
        const json_t *findings = json_object_get(g, "findings");
        size_t n = json_array_size(findings);

        if (!json_is_object(g))
                return;
        line(top, "");
        linef(top, "guard       %s, %llu programs, %llu denied%s", lx_str(g, "mode"),
            (unsigned long long)lx_num(g, "entries"), (unsigned long long)lx_num(g, "denied"),
            lx_num(g, "told_ms") > 60000 ? ", SILENT" : "");
        for (size_t i = n; i-- > 0 && n - i <= 5;) {
                const json_t *f = json_array_get(findings, i);

                linef(top, "  %s %s %s", lx_str(f, "time"), lx_str(f, "verdict"), lx_str(f, "path"));
        }
}

/* One frame; LX_EXIT_UNREACHABLE and others leave it to the caller what becomes of that. */
static int
make_frame(struct top *top)
{
        json_t *status = NULL, *peers = NULL, *guard = NULL;
        struct lx_why why = {{0}};
        int exit_status = LX_EXIT_UNREACHABLE;

        lx_buf_reset(&top->frame);
        top->row = 0;
        if (!lx_call(top->lx, "node.status", NULL, &status, &exit_status))
                return exit_status;
        note_block(top, status);
        show_status(top, status);
        if (rpcclient_call(top->lx->client, "peer.list", NULL, &peers, &why) == LX_OK)
                show_peers(top, json_object_get(peers, "peers"));
        if (rpcclient_call(top->lx->client, "guard.status", NULL, &guard, &why) == LX_OK)
                show_guard(top, json_object_get(guard, "guard"));
        json_decref(status);
        json_decref(peers);
        json_decref(guard);
        return LX_EXIT_TRUE;
}

/* ---- the terminal ------------------------------------------------------------------------------- */

static void
put(const char *bytes, size_t len)
{
        while (len > 0) {
                ssize_t n = write(STDOUT_FILENO, bytes, len);

                if (n < 0 && errno != EINTR)
                        return;
                bytes += n > 0 ? n : 0;
                len -= n > 0 ? (size_t)n : 0;
        }
}

static void
measure(struct top *top)
{
        struct winsize size = {0};

        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        top->columns = size.ws_col > 0 && size.ws_col < COLUMNS_MAX ? size.ws_col : 80;
        top->rows = size.ws_row > 0 ? size.ws_row : 24;
}

/* Wait for the next frame, a key or a signal; false: it is over. */
static bool
keep_on(int signals)
{
        struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        struct signalfd_siginfo info;
        char key = 0;

        if (poll(fds, 2, FRAME_MS) <= 0)
                return true;
        if ((fds[1].revents & POLLIN) != 0 && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                return info.ssi_signo == SIGWINCH;
        if (fds[0].revents != 0)
                return read(STDIN_FILENO, &key, 1) == 1 && strchr("qQ\033\003\004", key) == NULL;
        return true;
}

static int
run_live(struct top *top, int signals)
{
        int status;

        do {
                measure(top);
                status = make_frame(top);
                if (status != LX_EXIT_TRUE)
                        break;
                put(ESC "[H", 3);
                put((const char *)top->frame.p, top->frame.len);
                put(ESC "[J", 3);
        } while (keep_on(signals));
        return status;
}

static int
run_on_terminal(struct top *top)
{
        struct termios was, raw;
        sigset_t set;
        int signals, status;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGWINCH);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGINT);
        if (tcgetattr(STDIN_FILENO, &was) != 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
            (signals = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
                return lx_fail(top->lx, LX_EXIT_IO, "the terminal cannot be set up: %s", strerror(errno));
        raw = was;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
        put(ESC "[?1049h" ESC "[?25l", 14);
        status = run_live(top, signals);
        put(ESC "[?25h" ESC "[?1049l", 14);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
        (void)close(signals);
        return status;
}

int
cmd_top(struct lx *lx)
{
        struct top top = {.lx = lx, .columns = COLUMNS_MAX};
        int status;

        if (lx->json)
                return cmd_status(lx);
        if (isatty(STDOUT_FILENO) && isatty(STDIN_FILENO)) {
                status = run_on_terminal(&top);
        } else {
                status = make_frame(&top);
                put((const char *)top.frame.p, top.frame.len);
        }
        lx_buf_clear(&top.frame);
        return status;
}
