/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A libevent user's life (b): DNS, then connect, with one deadline, called from
 * a plain callback. The name server is one of evdns's own, on the same base.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>
#include <evfuture.h>

/* --- evdns_getaddrinfo() as a future ------------------------------------- */

static void
free_addresses(void *list)
{
    evutil_freeaddrinfo(list);
}

static void
resolved(int err, struct evutil_addrinfo *list, void *arg)
{
    evf_complete(arg, err ? -EHOSTUNREACH : evf_result_of(list));
}

static int
resolve_cancel(void *request)
{
    evdns_getaddrinfo_cancel(request);
    return 0; /* resolved() is still called */
}

static evf_future *
resolve(struct evdns_base *dns, const char *host, const char *port)
{
    struct evutil_addrinfo hints = {.ai_family = AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_protocol = IPPROTO_TCP};
    evf_completer *c = evf_completer_new(free_addresses);

    if (c == NULL)
        return NULL;
    /* NULL means that resolved() was called already. */
    evf_completer_set_cancel(c, resolve_cancel,
        evdns_getaddrinfo(dns, host, port, &hints, resolved, c));
    return evf_completer_future(c);
}

/* --- The flow ------------------------------------------------------------- */

struct dial {
    evf_frame frame;
    struct evdns_base *dns;
    const char *host, *port;
    struct evutil_addrinfo *addresses;
    evf_op op;
};

static enum evf_poll
dial_run(evf_future *self, evf_context *cx)
{
    struct dial *d = evf_frame_of(self, struct dial);
    evf_socket *peer;

    EVF_BEGIN(self, cx);
    EVF_TRY(d->addresses, resolve(d->dns, d->host, d->port));
    EVF_TRY(peer, evf_connect_list(&d->op, d->addresses));
    EVF_RETURN(peer);
    EVF_FINALLY;
    if (d->addresses != NULL)
        evutil_freeaddrinfo(d->addresses);
    EVF_END;
}

static const evf_frame_ops dial_ops = EVF_FRAME_OPS(struct dial, dial_run,
    .dispose = evf_socket_dispose);

static evf_future *
dial(void *storage, struct evdns_base *dns, const char *host, const char *port)
{
    struct dial *d = evf_frame_init(storage, &dial_ops);

    if (d == NULL)
        return NULL;
    d->dns = dns;
    d->host = host;
    d->port = port;
    return &d->frame.future;
}

/* --- The host -------------------------------------------------------------- */

struct session {
    evf_executor *executor;
    struct evdns_base *dns;
    char port[8];
    const char *host;
    uint64_t limit_ms;
    evf_task *task;
    intptr_t result;
    bool answering;
};

static void
on_dialled(intptr_t result, void *arg)
{
    struct session *s = arg;

    s->result = result;
    if (!evf_failed(result)) {
        evf_socket_close((evf_socket *)result);
        s->result = 1;
    }
    evf_task_free(s->task);
    s->task = NULL;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;

    (void)fd;
    (void)what;
    s->task = evf_spawn_then(s->executor,
        evf_timeout(NULL, s->limit_ms, dial(NULL, s->dns, s->host, s->port)),
        on_dialled, s);
}

static intptr_t
dial_from_a_callback(struct session *s, const char *host, uint64_t limit_ms)
{
    struct event_base *base = evf_executor_base(s->executor);

    s->result = 0;
    s->host = host;
    s->limit_ms = limit_ms;
    event_base_once(base, -1, EV_TIMEOUT, on_timer, s, &(struct timeval){0, 0});
    do
        event_base_loop(base, EVLOOP_ONCE);
    while (s->result == 0);
    return s->result;
}

/* --- A name server and a listening port ------------------------------------ */

static void
on_question(struct evdns_server_request *request, void *arg)
{
    struct session *s = arg;
    uint32_t loopback = htonl(INADDR_LOOPBACK);
    const char *name = request->questions[0]->name; /* in any case */
    bool known = evutil_ascii_strcasecmp(name, "here.test") == 0;

    if (!s->answering) {
        evdns_server_request_drop(request);
        return;
    }
    if (known)
        evdns_server_request_add_a_reply(request, name, 1, &loopback, 60);
    evdns_server_request_respond(request,
        known ? DNS_ERR_NONE : DNS_ERR_NOTEXIST);
}

static evutil_socket_t
bound(int type, struct sockaddr_in *address)
{
    evutil_socket_t fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
    socklen_t length = sizeof(*address);

    *address = (struct sockaddr_in){.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert(bind(fd, (struct sockaddr *)address, length) == 0);
    assert(getsockname(fd, (struct sockaddr *)address, &length) == 0);
    return fd;
}

int
main(void)
{
    struct event_base *base = event_base_new();
    struct session s = {.executor = evf_executor_new(base), .answering = true};
    struct evdns_server_port *server;
    struct sockaddr_in names, service;
    evutil_socket_t udp = bound(SOCK_DGRAM, &names);
    evutil_socket_t tcp = bound(SOCK_STREAM, &service);

    assert(listen(tcp, 5) == 0);
    snprintf(s.port, sizeof(s.port), "%d", ntohs(service.sin_port));
    server = evdns_add_server_port_with_base(base, udp, 0, on_question, &s);
    s.dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    assert(evdns_base_nameserver_sockaddr_add(s.dns, (struct sockaddr *)&names,
               sizeof(names), 0) == 0);

    assert(dial_from_a_callback(&s, "here.test", 20000) == 1);
    assert(dial_from_a_callback(&s, "127.0.0.1", 20000) == 1);
    assert(dial_from_a_callback(&s, "nowhere.test", 20000) == -EHOSTUNREACH);
    s.answering = false;
    assert(dial_from_a_callback(&s, "other.test", 50) == -ETIMEDOUT);

    evdns_base_free(s.dns, 1);
    evdns_close_server_port(server);
    close(tcp);
    evf_executor_free(s.executor);
    event_base_free(base);
    return 0;
}
