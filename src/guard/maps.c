/* guard/maps.c - see guard/maps.h. */
#include "config.h"
#include "guard/maps.h"

#include <string.h>

/* A number in base 16 or 10 and the character behind it. */
static bool
take_number(struct lx_span *s, unsigned base, char end, uint64_t *out)
{
        size_t i = 0;

        *out = 0;
        for (; i < s->len && i < 20; i++) {
                uint8_t c = s->p[i];
                unsigned digit = c >= '0' && c <= '9' ? c - (unsigned)'0' : c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16u;

                if (digit >= base)
                        break;
                *out = *out * base + digit;
        }
        if (i == 0 || i >= s->len || s->p[i] != end)
                return false;
        s->p += i + 1;
        s->len -= i + 1;
        return true;
}

/* "7f00-7f10 r-xp 00001000 fe:00 1234      /usr/bin/x" */
static bool
read_line(struct lx_span line, struct guard_map *m)
{
        uint64_t major, minor;

        if (!take_number(&line, 16, '-', &m->start) || !take_number(&line, 16, ' ', &m->end) || line.len < 5)
                return false;
        m->write = line.p[1] == 'w';
        m->exec = line.p[2] == 'x';
        m->shared = line.p[3] == 's';
        line.p += 5;
        line.len -= 5;
        if (!take_number(&line, 16, ' ', &m->offset) || !take_number(&line, 16, ':', &major) ||
            !take_number(&line, 16, ' ', &minor) || !take_number(&line, 10, ' ', &m->inode) || m->end <= m->start)
                return false;
        m->major = (uint32_t)major;
        m->minor = (uint32_t)minor;
        while (line.len > 0 && line.p[0] == ' ') {
                line.p++;
                line.len--;
        }
        m->path = line;
        return true;
}

bool
guard_map_next(struct lx_span *text, struct guard_map *out_map)
{
        while (text->len > 0) {
                const uint8_t *nl = memchr(text->p, '\n', text->len);
                struct lx_span line = {text->p, nl != NULL ? (size_t)(nl - text->p) : text->len};

                text->p += line.len + (nl != NULL);
                text->len -= line.len + (nl != NULL);
                if (read_line(line, out_map))
                        return true;
        }
        return false;
}

static bool
begins(struct lx_span s, const char *text)
{
        return s.len >= strlen(text) && memcmp(s.p, text, strlen(text)) == 0; /* public */
}

enum guard_map_kind
guard_map_kind(const struct guard_map *map)
{
        if (begins(map->path, "[vdso]") || begins(map->path, "[vsyscall]") || begins(map->path, "[uprobes]"))
                return GUARD_MAP_KERNEL;
        if (map->inode == 0)
                return GUARD_MAP_ANON;
        if (begins(map->path, "/memfd:") || begins(map->path, "/dev/zero (deleted)") ||
            begins(map->path, "/SYSV") || map->path.len == 0)
                return GUARD_MAP_MEMFD;
        return GUARD_MAP_FILE;
}
