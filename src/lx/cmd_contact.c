/* lx/cmd_contact.c - a light node's contacts. */
#include "config.h"
#include "lx/lx.h"

#include <stdio.h>
#include <string.h>

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
