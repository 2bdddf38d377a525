/* base/log.c - see base/log.h. One write() a line, so that lines of several threads stay whole. */
#include "config.h"
#include "base/log.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define LIMIT_LINES 5
#define LIMIT_WINDOW_MS 10000

static const char *const LEVELS[] = {"error", "warn", "notice", "info", "debug", "trace"};
static const char *const CATEGORIES[LX_LOG_CATEGORY_COUNT_] = {
#define X(name, text) text,
    LX_LOG_CATEGORIES(X)
#undef X
};

/* The sink: the project's one global, as base/log.h says. */
static struct {
        _Atomic int fd;
        _Atomic int level[LX_LOG_CATEGORY_COUNT_]; /* 0: the default, else level + 1 */
} sink = {.fd = STDERR_FILENO};

bool
lx_log_is_on(enum lx_log_category cat, enum lx_log_level level)
{
        int set = atomic_load_explicit(&sink.level[cat], memory_order_relaxed);

        return (int)level <= (set == 0 ? (int)LX_LOG_NOTICE : set - 1);
}

/* Control characters would let a stranger forge lines. */
static void
escape_controls(char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                        text[i] = '?';
}

void
lx_log(enum lx_log_category cat, enum lx_log_level level, const char *what, const char *fmt, ...)
{
        char line[LINE_MAX_BYTES], when[25];
        size_t len;
        va_list ap;
        int n;

        if (!lx_log_is_on(cat, level))
                return;
        lx_walltime_format(lx_clock_walltime(), when);
        n = snprintf(
            line, sizeof(line), "%s %s %s \"%s\" ", when, LEVELS[level], CATEGORIES[cat], what);
        len = n < 0 ? 0 : (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
        va_start(ap, fmt);
        n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
        va_end(ap);
        len += n < 0 ? 0 : (size_t)n < sizeof(line) - len ? (size_t)n : sizeof(line) - len - 1;
        escape_controls(line, len);
        line[len] = '\n';
        (void)!write(atomic_load(&sink.fd), line, len + 1);
}

static bool
level_named(const char *name, size_t len, int *out_level)
{
        for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++)
                if (strlen(LEVELS[i]) == len && strncmp(LEVELS[i], name, len) == 0) {
                        *out_level = (int)i;
                        return true;
                }
        return false;
}

enum lx_err
lx_log_set_level(const char *spec)
{
        const char *colon = strchr(spec, ':');
        size_t len = colon != NULL ? (size_t)(colon - spec) : strlen(spec);
        bool found = false;
        int level;

        if (!level_named(spec, len, &level))
                return LX_ERR_FORMAT;
        for (size_t i = 0; i < LX_LOG_CATEGORY_COUNT_; i++)
                if (colon == NULL || strcmp(colon + 1, CATEGORIES[i]) == 0) {
                        atomic_store(&sink.level[i], level + 1);
                        found = true;
                }
        return found ? LX_OK : LX_ERR_FORMAT;
}

enum lx_err
lx_log_open(const char *path)
{
        int old = atomic_load(&sink.fd);
        int fd = STDERR_FILENO;

        if (path != NULL) {
                fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
                if (fd < 0)
                        return lx_err_from_errno(errno);
        }
        atomic_store(&sink.fd, fd);
        if (old != STDERR_FILENO)
                close(old);
        return LX_OK;
}

bool
lx_log_limit_allows(struct lx_log_limit *limit, uint64_t now_ms)
{
        if (limit->count == 0 || now_ms - limit->window_start_ms >= LIMIT_WINDOW_MS) {
                limit->window_start_ms = now_ms;
                limit->count = 0;
                limit->suppressed = 0;
        }
        if (limit->count >= LIMIT_LINES) {
                limit->suppressed++;
                return false;
        }
        limit->count++;
        return true;
}
