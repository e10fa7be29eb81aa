/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Callback APIs of libevent as futures: an evdns lookup and an evhttp request,
 * each awaited through a completer, and evhttp's server callback, which comes
 * again and again, through a channel.
 *
 *     curl http://127.0.0.1:PORT/look?here.test
 *
 * is answered when the name has been looked up (at this program's own name
 * server, which knows here.test) and its address has been asked for /hello (of
 * this program's own web server).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <event2/buffer.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <evfuture.h>

/* --- evdns: an address, in network byte order --------------------------- */

static void
resolved(int err, char type, int count, int ttl, void *addresses, void *arg)
{
    bool good = err == DNS_ERR_NONE && type == DNS_IPv4_A && count > 0;
    char text[INET_ADDRSTRLEN];

    (void)ttl;
    if (good)
        inet_ntop(AF_INET, addresses, text, sizeof(text));
    evf_complete(arg, good ? evf_result_of(strdup(text)) : -EHOSTUNREACH);
}

static evf_future *
resolve(struct evdns_base *dns, const char *name)
{
    evf_completer *c = evf_completer_new(free);

    /* Without a cancel hook: resolved() is called in any case, in the end. */
    if (c != NULL && evdns_base_resolve_ipv4(dns, name, 0, resolved, c) == NULL)
        evf_complete(c, -EIO);
    return evf_completer_future(c);
}

/* --- evhttp: a status code ----------------------------------------------- */

static void
fetched(struct evhttp_request *request, void *arg)
{
    int status = request ? evhttp_request_get_response_code(request) : 0;

    evf_complete(arg, status > 0 ? status : -ECONNREFUSED);
}

static int
fetch_cancel(void *request)
{
    evhttp_cancel_request(request);
    return 1; /* fetched() will not be called */
}

static evf_future *
fetch(struct evhttp_connection *connection, const char *path)
{
    evf_completer *c = evf_completer_new(NULL);
    struct evhttp_request *request;

    if (c == NULL)
        return NULL;
    request = evhttp_request_new(fetched, c);
    if (request == NULL ||
        evhttp_make_request(connection, request, EVHTTP_REQ_GET, path) < 0)
        evf_complete(c, -EIO);
    else
        evf_completer_set_cancel(c, fetch_cancel, request);
    return evf_completer_future(c);
}

/* --- The flow -------------------------------------------------------------- */

struct look {
    evf_frame frame;
    struct event_base *base;
    struct evdns_base *dns;
    evf_channel *visits;            /* of struct evhttp_request */
    struct evhttp_request *visit;   /* the one that waits for a reply */
    struct evhttp_connection *peer; /* to the address that was found */
    char *address;
    uint16_t port;
    evf_op op;
};

static const char *
name_of(const struct look *l)
{
    const char *query = evhttp_uri_get_query(
        evhttp_request_get_evhttp_uri(l->visit));

    return query != NULL ? query : "";
}

static void
answer(struct look *l, intptr_t status)
{
    struct evbuffer *body = evbuffer_new();
    const char *name = name_of(l);

    if (evf_failed(status))
        evbuffer_add_printf(body, "%s: %s\n", name, strerror((int)-status));
    else
        evbuffer_add_printf(body, "%s is %s and says %d\n", name, l->address,
            (int)status);
    evhttp_send_reply(l->visit, evf_failed(status) ? 502 : 200, NULL, body);
    evbuffer_free(body);
    l->visit = NULL;
}

static void
forget(struct look *l)
{
    free(l->address);
    l->address = NULL;
    if (l->peer != NULL)
        evhttp_connection_free(l->peer);
    l->peer = NULL;
}

static enum evf_poll
look_run(evf_future *self, evf_context *cx)
{
    struct look *l = evf_frame_of(self, struct look);
    intptr_t r;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(l->visit, evf_channel_recv(&l->op, l->visits));
        EVF_AWAIT(r, evf_timeout(&l->op, 3000, resolve(l->dns, name_of(l))));
        if (!evf_failed(r)) {
            l->address = (char *)r;
            l->peer = evhttp_connection_base_new(l->base, NULL, l->address,
                l->port);
            EVF_AWAIT(r, evf_timeout(&l->op, 3000, fetch(l->peer, "/hello")));
        }
        answer(l, r);
        forget(l);
    }
    EVF_FINALLY;
    forget(l);
    EVF_END;
}

static const evf_frame_ops look_ops = EVF_FRAME_OPS(struct look, look_run);

/* --- The program: what a libevent program has anyway ------------------------ */

static void
on_look(struct evhttp_request *request, void *arg)
{
    if (evf_channel_push(arg, request) < 0)
        evhttp_send_error(request, HTTP_SERVUNAVAIL, "too many visits");
}

static void
on_hello(struct evhttp_request *request, void *arg)
{
    (void)arg;
    evhttp_send_reply(request, HTTP_OK, NULL, NULL);
}

static void
on_question(struct evdns_server_request *request, void *arg)
{
    const char *name = request->questions[0]->name;
    uint32_t address = htonl(INADDR_LOOPBACK);
    bool known = evutil_ascii_strcasecmp(name, "here.test") == 0;

    (void)arg;
    if (known)
        evdns_server_request_add_a_reply(request, name, 1, &address, 60);
    evdns_server_request_respond(request,
        known ? DNS_ERR_NONE : DNS_ERR_NOTEXIST);
}

static void
on_sigterm(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    event_base_loopbreak(arg);
}

static uint16_t
port_of(evutil_socket_t fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    getsockname(fd, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

int
main(void)
{
    struct sockaddr_in names = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct event_base *base = event_base_new();
    struct event *sigterm = evsignal_new(base, SIGTERM, on_sigterm, base);
    evf_executor *executor = evf_executor_new(base);
    struct evhttp *http = evhttp_new(base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http,
        "127.0.0.1", 0);
    evutil_socket_t udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct look look = {0};
    struct evdns_server_port *server;
    evf_task *task;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (executor == NULL || bound == NULL ||
        bind(udp, (struct sockaddr *)&names, sizeof(names)) < 0)
        return 1;
    evutil_make_socket_nonblocking(udp);
    names.sin_port = htons(port_of(udp));
    server = evdns_add_server_port_with_base(base, udp, 0, on_question, NULL);
    event_add(sigterm, NULL);

    evf_frame_init(&look, &look_ops);
    look.base = base;
    look.port = port_of(evhttp_bound_socket_get_fd(bound));
    look.dns = evdns_base_new(base, 0);
    evdns_base_nameserver_sockaddr_add(look.dns, (struct sockaddr *)&names,
        sizeof(names), 0);
    look.visits = evf_channel_new(16, NULL);
    task = evf_spawn(executor, &look.frame.future);
    evhttp_set_cb(http, "/look", on_look, look.visits);
    evhttp_set_cb(http, "/hello", on_hello, NULL);
    printf("http port %d, dns port %d\n", look.port, ntohs(names.sin_port));

    event_base_dispatch(base);

    evf_task_free(task);
    evf_channel_free(look.visits);
    evhttp_free(http);
    evdns_base_free(look.dns, 1);
    evdns_close_server_port(server);
    evf_executor_free(executor);
    event_free(sigterm);
    event_base_free(base);
    return 0;
}
