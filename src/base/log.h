/*
 * base/log.h - one line per event: time, level, category, message, key=value.
 *
 * error: the node cannot do its work. warn: it goes on, differently. notice: an operator's act or
 * a state change. info: milestones. debug, trace: for us. Lower folders do not log errors; who
 * decides what happens next does, once. What a stranger can trigger uses log_limited.
 * Threads: any. The sink (file or stderr, levels) is the project's one global.
 */
#ifndef LX_BASE_LOG_H
#define LX_BASE_LOG_H

#include "base/err.h"

#include <stdint.h>

enum lx_log_level {
        LX_LOG_ERROR,
        LX_LOG_WARN,
        LX_LOG_NOTICE,
        LX_LOG_INFO,
        LX_LOG_DEBUG,
        LX_LOG_TRACE
};

/* The categories are the folders. */
#define LX_LOG_CATEGORIES(X) \
        X(NODE, "node")      \
        X(BASE, "base")      \
        X(IO, "io")          \
        X(LLD, "lld")        \
        X(BLOB, "blob")      \
        X(LEDGER, "ledger")  \
        X(LLP, "llp")        \
        X(ROUTER, "router")  \
        X(RPC, "rpc")        \
        X(GUARD, "guard")

enum lx_log_category {
#define X(name, text) LX_LOG_##name,
        LX_LOG_CATEGORIES(X)
#undef X
            LX_LOG_CATEGORY_COUNT_
};

/** Write a line, if @level is switched on for @cat. @what: the event; @fmt: its key=value part. */
__attribute__((format(printf, 4, 5))) void
lx_log(enum lx_log_category cat, enum lx_log_level level, const char *what, const char *fmt, ...);

/** Whether a line of @level for @cat would be written. */
bool lx_log_is_on(enum lx_log_category cat, enum lx_log_level level);

/** Set the level from "LEVEL" (all) or "LEVEL:CATEGORY"; LX_ERR_FORMAT for anything else. */
LX_MUST_CHECK enum lx_err lx_log_set_level(const char *spec);

/**
 * Log to @path from now on (append), or to stderr with NULL; the same path again after the file was
 * moved away. LX_ERR_IO leaves it as it was.
 */
LX_MUST_CHECK enum lx_err lx_log_open(const char *path);

#define log_error(cat, what, ...) lx_log(LX_LOG_##cat, LX_LOG_ERROR, what, __VA_ARGS__)
#define log_warn(cat, what, ...) lx_log(LX_LOG_##cat, LX_LOG_WARN, what, __VA_ARGS__)
#define log_notice(cat, what, ...) lx_log(LX_LOG_##cat, LX_LOG_NOTICE, what, __VA_ARGS__)
#define log_info(cat, what, ...) lx_log(LX_LOG_##cat, LX_LOG_INFO, what, __VA_ARGS__)
#define log_debug(cat, what, ...) lx_log(LX_LOG_##cat, LX_LOG_DEBUG, what, __VA_ARGS__)

/* At most so many lines per ten seconds for one place; how many were left out is said later. */
struct lx_log_limit {
        uint64_t window_start_ms;
        uint32_t count;
        uint32_t suppressed;
};

/** Whether the owner of @limit may log one more line now (5 per 10 s). */
bool lx_log_limit_allows(struct lx_log_limit *limit, uint64_t now_ms);

#endif
