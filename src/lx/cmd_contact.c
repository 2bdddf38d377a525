/* lx/cmd_contact.c - a light node's contacts, and passes as files. */
#include "config.h"
#include "lx/lx.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "light/pass.h"
#include "light/spray.h"
#include "lx/check_int.h"

#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
show_station(json_t *s)
{
        bool good = strcmp(lx_str(s, "verdict"), "honest") == 0;

        printf("%-16.16s %s%-9s%s %8llu %8llu %8llu %10llu %10llu  %s\n", lx_str(s, "id"),
            lx_color(good ? LX_GOOD : LX_BAD), lx_str(s, "verdict"), lx_color_off(),
            (unsigned long long)lx_num(s, "proven"), (unsigned long long)lx_num(s, "behind"),
            (unsigned long long)lx_num(s, "contacts"), (unsigned long long)lx_num(s, "bytes_in"),
            (unsigned long long)lx_num(s, "bytes_out"), lx_str(s, "last"));
        if (lx_str(s, "reason")[0] != '\0')
                printf("                 %s\n", lx_str(s, "reason"));
}

int
cmd_contact_list(struct lx *lx)
{
        json_t *o = NULL, *one;
        int status = LX_EXIT_UNREACHABLE;
        size_t i, forks;

        if (!lx_call(lx, "contact.list", NULL, &o, &status))
                return status;
        forks = json_array_size(json_object_get(o, "evidence"));
        if (lx->json) {
                lx_print_json(o);
                return forks > 0 ? LX_EXIT_FALSE : LX_EXIT_TRUE;
        }
        printf("%-16s %-9s %8s %8s %8s %10s %10s  %s\n", "station", "", "proved", "behind", "contacts", "bytes in",
            "bytes out", "last contact");
        json_array_foreach(json_object_get(o, "stations"), i, one)
                show_station(one);
        json_array_foreach(json_object_get(o, "evidence"), i, one)
                printf("%sFORK%s at height %llu: two certified headers, both signed by %s\n", lx_color(LX_BAD),
                    lx_color_off(), (unsigned long long)lx_num(one, "height"), lx_str(one, "signed_both"));
        json_decref(o);
        return forks > 0 ? LX_EXIT_FALSE : LX_EXIT_TRUE;
}

static void
show_window(json_t *o, const char *name)
{
        json_t *w = json_object_get(o, name);

        if (!json_is_object(w))
                printf("%-10s none\n", name);
        else if (lx_num(w, "bytes") > 0)
                printf("%-10s %s to %s, at most %llu bytes\n", name, lx_str(w, "begin"), lx_str(w, "end"),
                    (unsigned long long)lx_num(w, "bytes"));
        else
                printf("%-10s %s to %s\n", name, lx_str(w, "begin"), lx_str(w, "end"));
}

int
cmd_contact_next(struct lx *lx)
{
        json_t *o = NULL, *one;
        int status = LX_EXIT_UNREACHABLE;
        size_t i;

        if (!lx_call(lx, "contact.next", NULL, &o, &status))
                return status;
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        if (json_is_true(json_object_get(o, "always"))) {
                printf("contacts   always (no --contact)\n");
        } else {
                show_window(o, "open");
                show_window(o, "next");
        }
        printf("stations   %llu connected\nbytes      %llu in, %llu out, %llu of them wasted%s\n",
            (unsigned long long)lx_num(o, "stations"), (unsigned long long)lx_num(o, "bytes_in"),
            (unsigned long long)lx_num(o, "bytes_out"), (unsigned long long)lx_num(o, "wasted"),
            json_is_true(json_object_get(o, "over_budget")) ? "; the budget is used up" : "");
        if (json_array_size(json_object_get(o, "missing")) == 0)
                printf("missing    nothing\n");
        json_array_foreach(json_object_get(o, "missing"), i, one)
                printf("%-10s %s\n", i == 0 ? "missing" : "", json_string_value(one));
        json_decref(o);
        return LX_EXIT_TRUE;
}

/* ---- pass files ---------------------------------------------------------------------------------- */

/* What --watch names, one after the other joined by commas. */
static json_t *
watched_names(const char *text)
{
        json_t *list = json_array();

        while (text != NULL && *text != '\0') {
                size_t len = strcspn(text, ",");

                if (len > 0)
                        json_array_append_new(list, json_stringn(text, len));
                text += len + (text[len] == ',');
        }
        return list;
}

/* The pass that --from and --watch name; an exit status. */
static int
fetch_pass(struct lx *lx, uint64_t *out_from, uint64_t *out_height, struct lx_buf *bytes)
{
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;

        if (lx_option(lx, "from") == NULL || !lx_number_option(lx, "from", 0, INT64_MAX, 0, out_from))
                return lx_fail(lx, LX_EXIT_USAGE, "a pass needs --from HEIGHT: the newest header of the light node");
        if (!lx_call(lx, "chain.pass", json_pack("{s:I,s:o}", "from", (json_int_t)*out_from, "watch",
                watched_names(lx_option(lx, "watch"))), &o, &status))
                return status;
        if (!lx_check_hex(o, "bytes", bytes))
                status = lx_fail(lx, LX_EXIT_REFUSED, "the node sent a malformed pass");
        *out_height = lx_num(o, "height");
        json_decref(o);
        return status;
}

int
lx_pass_export(struct lx *lx)
{
        struct lx_buf bytes = {0};
        uint64_t from = 0, height = 0;
        int status = fetch_pass(lx, &from, &height, &bytes);

        if (status != LX_EXIT_TRUE)
                ;
        else if (lx->arg_count == 0 && (fwrite(bytes.p, 1, bytes.len, stdout) != bytes.len || fflush(stdout) != 0))
                status = lx_fail(lx, LX_EXIT_IO, "cannot write the pass to standard output");
        else if (lx->arg_count > 0 && lx_file_write(lx->args[0], bytes.p, bytes.len, 0644, &lx->why) != LX_OK)
                status = lx_fail(lx, LX_EXIT_IO, NULL);
        else if (lx->arg_count > 0 && lx->json)
                lx_print_json(json_pack("{s:s,s:I,s:I,s:I}", "file", lx->args[0], "from", (json_int_t)from, "height",
                    (json_int_t)height, "bytes", (json_int_t)bytes.len));
        else if (lx->arg_count > 0)
                printf("a pass from %llu to %llu, %zu bytes in %s\n", (unsigned long long)from,
                    (unsigned long long)height, bytes.len, lx->args[0]);
        lx_buf_clear(&bytes);
        return status;
}

/* A socket that sends to @where; -1, and what is wrong was said. */
static int
open_sender(struct lx *lx, const char *where)
{
        char host[128];
        const char *colon = strrchr(where, ':');
        struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
        size_t len = colon != NULL ? (size_t)(colon - where) : 0;
        int fd = -1;

        if (colon == NULL || len == 0 || len >= sizeof(host)) {
                (void)lx_fail(lx, 0, "\"%.60s\" is no ADDRESS:PORT", where);
                return -1;
        }
        memcpy(host, where + (where[0] == '['), len - (where[0] == '[' ? 2 : 0));
        host[len - (where[0] == '[' ? 2 : 0)] = '\0';
        if (getaddrinfo(host, colon + 1, &hints, &found) == 0)
                fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
                (void)close(fd);
                fd = -1;
        }
        if (found != NULL)
                freeaddrinfo(found);
        if (fd < 0)
                (void)lx_fail(lx, 0, "cannot send to %.60s", where);
        return fd;
}

/* @count packets (0: for ever), each when the rate allows it. */
static void
send_packets(int fd, const struct light_spray *spray, uint64_t count, uint64_t rate)
{
        uint64_t start = lx_clock_now_ms();
        uint8_t packet[LIGHT_PACKET_LEN];

        for (uint64_t n = 0; count == 0 || n < count; n++) {
                uint64_t due = start + n * (LIGHT_PACKET_LEN + 28) * 8000 / rate, now = lx_clock_now_ms();

                if (due > now)
                        (void)poll(NULL, 0, (int)(due - now));
                light_spray_packet(spray, n, packet);
                (void)!send(fd, packet, sizeof(packet), 0); /* who listens is not known */
        }
}

int
cmd_chain_broadcast(struct lx *lx)
{
        struct lx_buf bytes = {0};
        struct light_spray *spray = NULL;
        uint64_t from = 0, height = 0, rate, count = UINT64_MAX, needed = 0;
        int status = LX_EXIT_TRUE, fd = -1;

        if (!lx_number_option(lx, "rate", 1000, 1000000000, 100000, &rate) ||
            !lx_number_option(lx, "packets", 0, INT64_MAX, UINT64_MAX, &count))
                return LX_EXIT_USAGE;
        status = fetch_pass(lx, &from, &height, &bytes);
        if (status == LX_EXIT_TRUE && light_spray_new(bytes.p, bytes.len, &spray) != LX_OK)
                status = lx_fail(lx, LX_EXIT_USAGE, "it can't be broadcast: lx was built without ISA-L (libisal-dev)");
        if (status == LX_EXIT_TRUE && (fd = open_sender(lx, lx->args[0])) < 0)
                status = LX_EXIT_USAGE;
        if (status == LX_EXIT_TRUE) {
                (void)light_spray_round(spray, &needed);
                if (count == UINT64_MAX)
                        count = 3 * needed;
                send_packets(fd, spray, count, rate);
                if (lx->json)
                        lx_print_json(json_pack("{s:I,s:I,s:I,s:I}", "height", (json_int_t)height, "bytes",
                            (json_int_t)bytes.len, "packets", (json_int_t)count, "needed", (json_int_t)needed));
                else
                        printf("height %llu: %llu packets sent, any %llu of them give the pass\n",
                            (unsigned long long)height, (unsigned long long)count, (unsigned long long)needed);
        }
        if (fd >= 0)
                (void)close(fd);
        light_spray_free(spray);
        lx_buf_clear(&bytes);
        return status;
}

int
lx_import_pass(struct lx *lx, struct lx_span bytes)
{
        json_t *o = NULL;
        char *hex;
        int status = LX_EXIT_TRUE;

        if (bytes.len > LIGHT_PASS_MAX)
                return lx_fail(lx, LX_EXIT_USAGE, "%s is neither a pass nor a file of headers", lx->args[0]);
        hex = lx_alloc(LX_HEX_LEN(bytes.len));
        lx_hex(bytes.p, bytes.len, hex);
        if (lx_call(lx, "chain.import", json_pack("{s:s}", "bytes", hex), &o, &status)) {
                if (lx->json)
                        lx_print_json(json_incref(o));
                else
                        printf("height %llu, %llu headers and %llu states verified; %llu states that are not watched\n",
                            (unsigned long long)lx_num(o, "height"), (unsigned long long)lx_num(o, "headers"),
                            (unsigned long long)lx_num(o, "states"), (unsigned long long)lx_num(o, "unwatched"));
        }
        lx_free(hex);
        json_decref(o);
        return status;
}
