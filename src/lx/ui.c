/* lx/ui.c - what commands print, ask and show. */
#include "config.h"
#include "lx/lx.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOW_EVERY_MS 100

const char *
lx_option(const struct lx *lx, const char *name)
{
        for (int i = 0; i < lx->option_count; i++)
                if (strcmp(lx->option[i].name, name) == 0)
                        return lx->option[i].value;
        return NULL;
}

int
lx_exit_of(enum lx_err err)
{
        switch ((int)err) {
        case LX_OK:
                return LX_EXIT_TRUE;
        case LX_ERR_UNREACHABLE:
        case LX_ERR_TIMEOUT:
                return LX_EXIT_UNREACHABLE;
        case LX_ERR_EXISTS:
        case LX_ERR_SEQUENCE:
                return LX_EXIT_REFUSED;
        case LX_ERR_PROOF:
        case LX_ERR_UNTRUSTED:
        case LX_ERR_SIGNATURE:
                return LX_EXIT_FALSE;
        case LX_ERR_IO:
        case LX_ERR_FULL:
        case LX_ERR_CHANGED:
        case LX_ERR_CORRUPT:
        case LX_ERR_NOMEM:
                return LX_EXIT_IO;
        default:
                return LX_EXIT_USAGE;
        }
}

int
lx_fail(struct lx *lx, int status, const char *fmt, ...)
{
        va_list ap;

        (void)fputs("lx: ", stderr);
        if (fmt != NULL) {
                va_start(ap, fmt);
                (void)vfprintf(stderr, fmt, ap);
                va_end(ap);
        } else {
                (void)fputs(lx->why.text[0] != '\0' ? lx->why.text : "it failed without a reason", stderr);
        }
        (void)fputc('\n', stderr);
        return status;
}

bool
lx_call(struct lx *lx, const char *method, json_t *params, json_t **out_result, int *out_exit)
{
        enum lx_err err = rpcclient_call(lx->client, method, params, out_result, &lx->why);

        if (err == LX_OK)
                return true;
        if (out_exit != NULL)
                *out_exit = rpcclient_was_refused(lx->client)
                    ? (err == LX_ERR_ABSENT ? LX_EXIT_FALSE
                              : err == LX_ERR_USAGE || err == LX_ERR_RANGE ? LX_EXIT_USAGE
                                                                           : LX_EXIT_REFUSED)
                    : lx_exit_of(err);
        (void)lx_fail(lx, 0, NULL);
        return false;
}

void
lx_print_json(json_t *o)
{
        (void)json_dumpf(o, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
        json_decref(o);
}

int
lx_print_answer(struct lx *lx, json_t *o)
{
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        json_object_del(o, "header");
        json_object_del(o, "cert");
        json_object_del(o, "valset");
        json_object_del(o, "bytes");
        (void)json_dumpf(o, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(o);
        return LX_EXIT_TRUE;
}

const char *
lx_str(const json_t *o, const char *name)
{
        const char *s = json_string_value(json_object_get(o, name));

        return s != NULL ? s : "";
}

uint64_t
lx_num(const json_t *o, const char *name)
{
        const json_t *v = json_object_get(o, name);

        if (json_is_string(v))
                return strtoull(json_string_value(v), NULL, 10);
        return (uint64_t)json_integer_value(v);
}

bool
lx_confirm(struct lx *lx, const char *question)
{
        char line[16] = "";

        if (lx->yes)
                return true;
        if (!isatty(0))
                return false;
        (void)fprintf(stderr, "%s [y/N] ", question);
        return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

char *
lx_path(const struct lx *lx, const char *name)
{
        size_t len = strlen(lx->datadir) + strlen(name) + 2;
        char *path = lx_alloc(len);

        (void)snprintf(path, len, "%s/%s", lx->datadir, name);
        return path;
}

bool
lx_parse_hash(const char *s, struct lx_hash *out)
{
        return lx_unhex(s, strlen(s), out->b, LX_HASH_LEN);
}

bool
lx_parse_number(const char *s, uint64_t *out)
{
        unsigned long long v;
        char *end;

        errno = 0;
        v = strtoull(s, &end, 10);
        if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno != 0)
                return false;
        *out = v;
        return true;
}

const char *
lx_hex_of(const struct lx_hash *hash, char out[65])
{
        lx_hex(hash->b, LX_HASH_LEN, out);
        return out;
}

/* ---- colours ----------------------------------------------------------------------------------- */

static bool
is_coloured(void)
{
        const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

        return isatty(1) == 1 && (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

const char *
lx_color(enum lx_color color)
{
        if (!is_coloured())
                return "";
        return color == LX_GOOD ? "\033[32m" : color == LX_BAD ? "\033[1;31m" : "\033[33m";
}

const char *
lx_color_off(void)
{
        return is_coloured() ? "\033[0m" : "";
}

bool
lx_number_option(struct lx *lx, const char *name, uint64_t min, uint64_t max, uint64_t def, uint64_t *out)
{
        const char *value = lx_option(lx, name);

        *out = def;
        if (value == NULL || (lx_parse_number(value, out) && *out >= min && *out <= max))
                return true;
        (void)lx_fail(lx, 0, "--%s is a number from %llu to %llu, not \"%.40s\"", name, (unsigned long long)min,
            (unsigned long long)max, value);
        return false;
}

/* ---- progress ---------------------------------------------------------------------------------- */

void
lx_progress_begin(struct lx_progress *p, const char *what, uint64_t total)
{
        *p = (struct lx_progress){
            .what = what, .total = total, .start_ms = lx_clock_now_ms(), .on = isatty(2) == 1};
}

void
lx_progress_add(struct lx_progress *p, uint64_t bytes)
{
        uint64_t now, passed, rate, left;

        p->done += bytes;
        if (!p->on)
                return;
        now = lx_clock_now_ms();
        if (now - p->shown_ms < SHOW_EVERY_MS)
                return;
        p->shown_ms = now;
        passed = now > p->start_ms ? now - p->start_ms : 1;
        rate = p->done * 1000 / passed;
        left = rate > 0 && p->total > p->done ? (p->total - p->done) / rate : 0;
        (void)fprintf(stderr, "\r%s: %llu of %llu MiB, %llu MiB/s, %llu s left \033[K", p->what,
            (unsigned long long)(p->done >> 20), (unsigned long long)(p->total >> 20),
            (unsigned long long)(rate >> 20), (unsigned long long)left);
}

void
lx_progress_end(struct lx_progress *p)
{
        if (p->on && p->shown_ms != 0)
                (void)fputs("\r\033[K", stderr);
}
