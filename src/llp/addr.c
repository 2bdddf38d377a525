/* llp/addr.c - see llp/addr.h. */
#include "config.h"
#include "llp/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_HEX_LEN 64

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

void
llp_addr_write(struct lx_writer *wr, const struct llp_addr *addr)
{
        lx_write_bytes(wr, addr->ip, sizeof(addr->ip));
        lx_write_u16(wr, addr->port);
}

struct llp_addr
llp_addr_read(struct lx_reader *rd)
{
        struct llp_addr addr;

        lx_read_bytes(rd, addr.ip, sizeof(addr.ip));
        addr.port = lx_read_u16(rd);
        return addr;
}

bool
llp_addr_is_v4(const struct llp_addr *addr)
{
        return memcmp(addr->ip, MAPPED, sizeof(MAPPED)) == 0; /* public */
}

static bool
is_zero(const uint8_t *p, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (p[i] != 0)
                        return false;
        return true;
}

bool
llp_addr_is_usable(const struct llp_addr *addr)
{
        const uint8_t *v4 = addr->ip + 12;

        if (addr->port == 0)
                return false;
        if (llp_addr_is_v4(addr))
                return v4[0] != 0 && v4[0] < 224; /* no 0.0.0.0/8, multicast, reserved */
        return addr->ip[0] != 0xff && !is_zero(addr->ip, 16);
}

bool
llp_addr_is_loopback(const struct llp_addr *addr)
{
        if (llp_addr_is_v4(addr))
                return addr->ip[12] == 127;
        return is_zero(addr->ip, 15) && addr->ip[15] == 1;
}

bool
llp_addr_is_public(const struct llp_addr *addr)
{
        const uint8_t *v4 = addr->ip + 12;

        if (llp_addr_is_loopback(addr))
                return false;
        if (!llp_addr_is_v4(addr))
                return (addr->ip[0] & 0xfe) != 0xfc &&
                       !(addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80);
        return v4[0] != 10 && !(v4[0] == 172 && (v4[1] & 0xf0) == 16) &&
               !(v4[0] == 192 && v4[1] == 168) && !(v4[0] == 169 && v4[1] == 254) &&
               !(v4[0] == 100 && (v4[1] & 0xc0) == 64);
}

bool
llp_addr_eq(const struct llp_addr *a, const struct llp_addr *b)
{
        return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0; /* public */
}

/* The first @keep bytes of an address, no port. */
static struct llp_addr
cut(const struct llp_addr *addr, size_t keep)
{
        struct llp_addr out = {{0}, 0};

        memcpy(out.ip, addr->ip, keep);
        return out;
}

struct llp_addr
llp_addr_party(const struct llp_addr *addr)
{
        return cut(addr, llp_addr_is_v4(addr) ? 16 : 8);
}

struct llp_addr
llp_addr_group(const struct llp_addr *addr)
{
        return cut(addr, llp_addr_is_v4(addr) ? 14 : 4);
}

void
llp_addr_format(const struct llp_addr *addr, char out[LLP_ADDR_TEXT_MAX])
{
        bool v4 = llp_addr_is_v4(addr), port = addr->port != 0;
        char text[INET6_ADDRSTRLEN] = "";

        (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr->ip + 12 : addr->ip, text, sizeof(text));
        if (port)
                (void)snprintf(out, LLP_ADDR_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", text, addr->port);
        else
                (void)snprintf(out, LLP_ADDR_TEXT_MAX, "%s", text);
}

/* "HOST:PORT" or "[HOST6]:PORT" or a host alone; false: not that, or too long. */
static bool
split(const char *text, char *host, size_t host_cap, uint16_t *out_port)
{
        bool bracket = *text == '[';
        const char *start = text + bracket;
        const char *end = bracket ? strchr(text, ']') : strrchr(text, ':');
        const char *port = NULL;
        char *rest;
        unsigned long v;

        if (bracket && end == NULL)
                return false;
        if (!bracket && (end == NULL || strchr(text, ':') != end)) /* a host, or bare IPv6, alone */
                end = text + strlen(text);
        port = bracket ? end + 1 : end;
        if (end == start || (size_t)(end - start) >= host_cap || (*port != '\0' && *port != ':'))
                return false;
        memcpy(host, start, (size_t)(end - start));
        host[end - start] = '\0';
        *out_port = 0;
        if (*port == '\0')
                return true;
        if (port[1] < '0' || port[1] > '9')
                return false;
        v = strtoul(port + 1, &rest, 10);
        *out_port = (uint16_t)v;
        return *rest == '\0' && v > 0 && v <= 65535;
}

static bool
parse_ip(const char *host, uint8_t ip[16])
{
        if (inet_pton(AF_INET, host, ip + 12) == 1) {
                memcpy(ip, MAPPED, sizeof(MAPPED));
                return true;
        }
        return inet_pton(AF_INET6, host, ip) == 1;
}

bool
llp_addr_parse(const char *text, struct llp_addr *out_addr)
{
        char host[INET6_ADDRSTRLEN];
        struct llp_addr addr;

        if (!split(text, host, sizeof(host), &addr.port) || !parse_ip(host, addr.ip))
                return false;
        *out_addr = addr;
        return true;
}

enum lx_err
llp_place_parse(const char *text, struct llp_place *out_place, struct lx_why *why)
{
        struct llp_place place = {0};
        const char *at = strchr(text, '@'), *where = at != NULL ? at + 1 : text;

        if (at != NULL && !lx_unhex(text, (size_t)(at - text), place.id, sizeof(place.id))) {
                lx_why_set(why,
                    "\"%.80s\": the part before @ is a node id, %d hex digits (lx peer list shows "
                    "it there)",
                    text, ID_HEX_LEN);
                return LX_ERR_USAGE;
        }
        place.has_id = at != NULL;
        if (!split(where, place.host, sizeof(place.host), &place.port) || place.port == 0) {
                lx_why_set(
                    why, "\"%.80s\" is not HOST:PORT (an IPv6 address goes into brackets)", text);
                return LX_ERR_USAGE;
        }
        *out_place = place;
        return LX_OK;
}
