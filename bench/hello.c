/* bench/hello.c - see bench/hello.h. */
#include "config.h"
#include "bench/hello.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdint.h>

static void
say_hello(struct evhttp_request *req, void *arg)
{
        struct evbuffer *body = evbuffer_new();

        (void)arg;
        (void)evbuffer_add_printf(body, "hello\n");
        evhttp_send_reply(req, 200, "OK", body);
        evbuffer_free(body);
}

void
hello_serve(void *port)
{
        struct event_base *base = event_base_new();
        struct evhttp *http = evhttp_new(base);

        evhttp_set_gencb(http, say_hello, NULL);
        if (evhttp_bind_socket(http, "127.0.0.1", (uint16_t)*(unsigned *)port) == 0)
                (void)event_base_dispatch(base);
}
