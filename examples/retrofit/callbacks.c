/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lookup gateway: clients ask for keys in a line protocol, the gateway asks
 * a backend, one connection for each request, and caches the answers.
 *
 *     retrofit-callbacks CONFIG [HOST[:PORT]]
 *
 * Without a port it takes any, and says which.
 *
 * Clients may pipeline; answers come in the order of the requests.  A client
 * that closes its side is gone, and so is what it has not been answered.
 *
 *     GET key           VALUE key value | MISS key | ERR reason
 *     PUT key value     STORED key | ERR reason
 *     STAT              STAT name=count ...
 *     QUIT              BYE
 *
 * SIGHUP reads CONFIG again; requests under way finish with what they began.
 * SIGTERM and SIGINT let requests under way finish, within a limit; a second
 * signal does not.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

/* Signals and deadlines run before clients, and those before housekeeping. */
enum {
    PRIO_URGENT,
    PRIO_CLIENT,
    PRIO_HOUSEKEEPING,
    PRIO_COUNT
};

enum {
    LINE_LIMIT = 4096,
    CLIENT_INPUT_LIMIT = 16 * LINE_LIMIT,
    CLIENT_OUTPUT_LIMIT = 64 * 1024,
    CACHE_BUCKETS = 256,
    PROBE_PATIENCE = 3, /* failed probes in a row before the backend is down */
    DRAIN_LIMIT_MS = 5000
};

struct config {
    unsigned refs; /* the gateway's, and one for each user under way */
    struct sockaddr_storage backend;
    int backend_len;
    char *greeting;
    unsigned deadline_ms; /* for a whole request to the backend */
    unsigned ttl_ms;      /* of a cache entry */
    unsigned probe_ms;    /* between two probes; 0: none */
    unsigned retry_ms;    /* after the first failed probe; doubles */
    unsigned stats_ms;    /* between two lines in the log; 0: none */
};

struct cache_entry {
    LIST_ENTRY(cache_entry) link;
    char *key;
    char *value;
    uint64_t expires_ms;
};

enum backend_state {
    BACKEND_UNKNOWN,
    BACKEND_UP,
    BACKEND_DOWN
};

struct probe;

struct gateway {
    struct event_base *base;
    const char *config_path;
    struct config *conf;
    struct evconnlistener *listener;
    struct event *on_term, *on_int, *on_hup;
    struct event *stats, *sweep, *drain_limit;
    struct probe *probe; /* NULL: not probing */
    TAILQ_HEAD(, client) clients;
    LIST_HEAD(, cache_entry) cache[CACHE_BUCKETS];
    unsigned long cache_generation; /* the flushes so far */
    enum backend_state backend;
    unsigned long backend_epoch;
    int stopping;
    unsigned long n_clients, n_pending, n_cached;
    unsigned long n_gets, n_puts, n_hits, n_errors, n_reloads;
};

struct query;

struct client {
    TAILQ_ENTRY(client) link;
    struct gateway *gw;
    struct bufferevent *bev;
    struct query *query;      /* NULL: none under way */
    char *key;                /* of the query under way */
    char *value;              /* of a PUT, else NULL */
    unsigned long generation; /* of the cache when the query began */
    int closing;              /* ends when the output is flushed */
};

static void client_run(struct client *c);

static void
say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static uint64_t
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct timeval
tv_of_ms(unsigned ms)
{
    return (struct timeval){ms / 1000, (suseconds_t)(ms % 1000) * 1000};
}

/* What a client is told about a failed request. */
static const char *
reason_of(int err)
{
    switch (err) {
    case ETIMEDOUT:
        return "deadline passed";
    case ECONNREFUSED:
        return "backend refused";
    case ECONNRESET:
        return "backend reset";
    case EPIPE:
        return "backend closed";
    case EPROTO:
        return "backend speaks nonsense";
    case EMSGSIZE:
        return "backend line too long";
    case EHOSTDOWN:
        return "backend down";
    default:
        return "internal error";
    }
}

/* Configuration. */

static struct config *
config_ref(struct config *conf)
{
    conf->refs++;
    return conf;
}

static void
config_unref(struct config *conf)
{
    if (conf == NULL || --conf->refs > 0)
        return;
    free(conf->greeting);
    free(conf);
}

static int
config_set(struct config *conf, const char *name, const char *value)
{
    unsigned *number = NULL;

    if (strcmp(name, "backend") == 0) {
        conf->backend_len = (int)sizeof(conf->backend);
        return evutil_parse_sockaddr_port(value,
            (struct sockaddr *)&conf->backend, &conf->backend_len);
    }
    if (strcmp(name, "greeting") == 0) {
        free(conf->greeting);
        conf->greeting = strdup(value);
        return conf->greeting == NULL ? -1 : 0;
    }
    if (strcmp(name, "deadline") == 0)
        number = &conf->deadline_ms;
    else if (strcmp(name, "ttl") == 0)
        number = &conf->ttl_ms;
    else if (strcmp(name, "probe") == 0)
        number = &conf->probe_ms;
    else if (strcmp(name, "retry") == 0)
        number = &conf->retry_ms;
    else if (strcmp(name, "stats") == 0)
        number = &conf->stats_ms;
    if (number == NULL || sscanf(value, "%u", number) != 1)
        return -1;
    return 0;
}

static int
config_read(struct config *conf, FILE *file)
{
    char line[512];

    while (fgets(line, sizeof(line), file) != NULL) {
        char *value = line + strcspn(line, " \n");

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (*value != '\0')
            *value++ = '\0';
        if (config_set(conf, line, value) < 0) {
            say("config: bad value for '%s': '%s'", line, value);
            return -1;
        }
    }
    return conf->backend_len > 0 && conf->greeting != NULL ? 0 : -1;
}

static struct config *
config_load(const char *path)
{
    struct config *conf = calloc(1, sizeof(*conf));
    FILE *file = fopen(path, "r");

    if (conf != NULL) {
        conf->refs = 1;
        conf->deadline_ms = 2000;
        conf->ttl_ms = 60000;
        conf->retry_ms = 100;
    }
    if (conf != NULL && file != NULL && config_read(conf, file) == 0) {
        fclose(file);
        return conf;
    }
    say("config: cannot use %s", path);
    if (file != NULL)
        fclose(file);
    config_unref(conf);
    return NULL;
}

/* The cache. */

static unsigned
cache_bucket(const char *key)
{
    unsigned h = 5381;

    while (*key != '\0')
        h = h * 33 + (unsigned char)*key++;
    return h % CACHE_BUCKETS;
}

static void
cache_remove(struct gateway *gw, struct cache_entry *e)
{
    LIST_REMOVE(e, link);
    gw->n_cached--;
    free(e->key);
    free(e->value);
    free(e);
}

static struct cache_entry *
cache_find(struct gateway *gw, const char *key)
{
    struct cache_entry *e = LIST_FIRST(&gw->cache[cache_bucket(key)]);

    while (e != NULL && strcmp(e->key, key) != 0)
        e = LIST_NEXT(e, link);
    if (e != NULL && e->expires_ms <= now_ms()) {
        cache_remove(gw, e);
        e = NULL;
    }
    return e;
}

/* Stores nothing if the cache was flushed since that generation. */
static void
cache_store(struct gateway *gw, unsigned long generation, const char *key,
    const char *value)
{
    struct cache_entry *e;

    if (generation != gw->cache_generation)
        return;
    e = cache_find(gw, key);
    if (e != NULL)
        cache_remove(gw, e);
    e = calloc(1, sizeof(*e));
    if (e == NULL)
        return;
    LIST_INSERT_HEAD(&gw->cache[cache_bucket(key)], e, link);
    gw->n_cached++;
    e->key = strdup(key);
    e->value = strdup(value);
    e->expires_ms = now_ms() + gw->conf->ttl_ms;
    if (e->key == NULL || e->value == NULL)
        cache_remove(gw, e);
}

/* Drops what expires by then. */
static void
cache_expire(struct gateway *gw, uint64_t then_ms)
{
    for (unsigned i = 0; i < CACHE_BUCKETS; i++) {
        struct cache_entry *e = LIST_FIRST(&gw->cache[i]);

        while (e != NULL) {
            struct cache_entry *next = LIST_NEXT(e, link);

            if (e->expires_ms <= then_ms)
                cache_remove(gw, e);
            e = next;
        }
    }
}

/* Nothing that was asked before is to be stored, either. */
static void
cache_flush(struct gateway *gw)
{
    gw->cache_generation++;
    cache_expire(gw, UINT64_MAX);
}

/* What the probe has found out. */

static void
backend_set_state(struct gateway *gw, enum backend_state state)
{
    if (gw->backend != state)
        say("backend %s", state == BACKEND_UP ? "up" : "down");
    gw->backend = state;
}

/* The backend has a new set of data: what we remember of the old is wrong. */
static void
backend_set_epoch(struct gateway *gw, unsigned long epoch)
{
    if (gw->backend_epoch != epoch) {
        say("backend epoch %lu, cache flushed", epoch);
        cache_flush(gw);
    }
    gw->backend_epoch = epoch;
}

/*
 * A link: a connection to the backend on which each side says a line in turn,
 * the backend first, and the deadline of all of it.  After on_fail, or when
 * on_line returns 0, the link is gone.
 */
struct link {
    struct bufferevent *bev;
    struct event *deadline;
    int (*on_line)(struct link *l, const char *line);
    void (*on_fail)(struct link *l, int err);
};

static void
link_on_readable(struct bufferevent *bev, void *arg)
{
    struct link *l = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    char *line;

    while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF)) != NULL) {
        int alive = l->on_line(l, line);

        free(line);
        if (!alive)
            return;
    }
    if (evbuffer_get_length(in) > LINE_LIMIT)
        l->on_fail(l, EMSGSIZE);
}

static void
link_on_event(struct bufferevent *bev, short what, void *arg)
{
    struct link *l = arg;

    if (what & BEV_EVENT_CONNECTED)
        bufferevent_enable(bev, EV_READ);
    else if (what & BEV_EVENT_EOF)
        l->on_fail(l, EPIPE);
    else
        l->on_fail(l, EVUTIL_SOCKET_ERROR());
}

static void
link_on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;

    (void)fd, (void)what;
    l->on_fail(l, ETIMEDOUT);
}

static void
link_close(struct link *l)
{
    if (l->bev != NULL)
        bufferevent_free(l->bev);
    if (l->deadline != NULL)
        event_free(l->deadline);
    l->bev = NULL;
    l->deadline = NULL;
}

static int
link_open(struct link *l, struct gateway *gw, struct config *conf)
{
    struct timeval tv = tv_of_ms(conf->deadline_ms);

    l->bev = bufferevent_socket_new(gw->base, -1, BEV_OPT_CLOSE_ON_FREE);
    l->deadline = evtimer_new(gw->base, link_on_deadline, l);
    if (l->bev == NULL || l->deadline == NULL) {
        link_close(l);
        return ENOMEM;
    }
    bufferevent_priority_set(l->bev, PRIO_CLIENT);
    event_priority_set(l->deadline, PRIO_URGENT);
    if (bufferevent_socket_connect(l->bev, (struct sockaddr *)&conf->backend,
            conf->backend_len) < 0) {
        int err = EVUTIL_SOCKET_ERROR();

        link_close(l);
        return err;
    }
    /* Not before: a connect that fails at once would call back from inside. */
    bufferevent_setcb(l->bev, link_on_readable, NULL, link_on_event, l);
    event_add(l->deadline, &tv);
    return 0;
}

/*
 * A query: connect, greeting, HELLO, OK, request, reply.  It borrows the key
 * and the value, which must live until it ends.
 */
struct query {
    struct link link; /* first: a link of a query is the query */
    struct config *conf;
    const char *key;
    const char *value;
    void (*done)(int err, char *reply, void *arg); /* takes reply */
    void *arg;
};

static void
query_free(struct query *q)
{
    if (q == NULL)
        return;
    link_close(&q->link);
    config_unref(q->conf);
    free(q);
}

static void
query_finish(struct query *q, int err, char *reply)
{
    void (*done)(int, char *, void *) = q->done;
    void *arg = q->arg;

    query_free(q);
    done(err, reply, arg);
}

static void
query_on_fail(struct link *l, int err)
{
    query_finish((struct query *)l, err, NULL);
}

static int
query_on_reply(struct link *l, const char *line)
{
    char *reply = strdup(line);

    query_finish((struct query *)l, reply == NULL ? ENOMEM : 0, reply);
    return 0;
}

static int
query_on_welcome(struct link *l, const char *line)
{
    struct query *q = (struct query *)l;
    struct evbuffer *out = bufferevent_get_output(l->bev);

    if (strcmp(line, "OK") != 0) {
        query_on_fail(l, EPROTO);
        return 0;
    }
    if (q->value != NULL)
        evbuffer_add_printf(out, "PUT %s %s\n", q->key, q->value);
    else
        evbuffer_add_printf(out, "GET %s\n", q->key);
    l->on_line = query_on_reply;
    return 1;
}

static int
query_on_greeting(struct link *l, const char *line)
{
    if (strncmp(line, "READY", 5) != 0) {
        query_on_fail(l, EPROTO);
        return 0;
    }
    evbuffer_add_printf(bufferevent_get_output(l->bev), "HELLO gateway\n");
    l->on_line = query_on_welcome;
    return 1;
}

/* On failure NULL, *err is set, and done will not be called. */
static struct query *
query_start(struct gateway *gw, const char *key, const char *value,
    void (*done)(int, char *, void *), void *arg, int *err)
{
    struct query *q = calloc(1, sizeof(*q));

    *err = ENOMEM;
    if (q == NULL)
        return NULL;
    q->conf = config_ref(gw->conf);
    q->key = key;
    q->value = value;
    q->done = done;
    q->arg = arg;
    q->link.on_line = query_on_greeting;
    q->link.on_fail = query_on_fail;
    *err = link_open(&q->link, gw, q->conf);
    if (*err != 0) {
        query_free(q);
        return NULL;
    }
    return q;
}

/*
 * The probe: connect, greeting, PING, PONG, again and again.  A failure is
 * tried again sooner, then less and less often.
 */
struct probe {
    struct link link; /* first: a link of a probe is the probe */
    struct gateway *gw;
    struct config *conf;
    struct event *again;
    unsigned retry_ms;
    unsigned failures;
};

static void
probe_rest(struct probe *p, unsigned ms)
{
    struct timeval tv = tv_of_ms(ms);

    link_close(&p->link);
    event_add(p->again, &tv);
}

static void
probe_on_fail(struct link *l, int err)
{
    struct probe *p = (struct probe *)l;
    unsigned ms = p->retry_ms;

    if (p->failures == 0)
        say("probe: %s", reason_of(err));
    if (++p->failures == PROBE_PATIENCE)
        backend_set_state(p->gw, BACKEND_DOWN);
    p->retry_ms = ms * 2 < p->conf->probe_ms ? ms * 2 : p->conf->probe_ms;
    probe_rest(p, ms);
}

static int
probe_on_pong(struct link *l, const char *line)
{
    struct probe *p = (struct probe *)l;
    unsigned long epoch;

    if (sscanf(line, "PONG %lu", &epoch) != 1) {
        probe_on_fail(l, EPROTO);
        return 0;
    }
    p->failures = 0;
    p->retry_ms = p->conf->retry_ms;
    backend_set_state(p->gw, BACKEND_UP);
    backend_set_epoch(p->gw, epoch);
    probe_rest(p, p->conf->probe_ms);
    return 0;
}

static int
probe_on_greeting(struct link *l, const char *line)
{
    if (strncmp(line, "READY", 5) != 0) {
        probe_on_fail(l, EPROTO);
        return 0;
    }
    evbuffer_add_printf(bufferevent_get_output(l->bev), "PING\n");
    l->on_line = probe_on_pong;
    return 1;
}

static void
probe_begin(evutil_socket_t fd, short what, void *arg)
{
    struct probe *p = arg;
    int err;

    (void)fd, (void)what;
    p->link.on_line = probe_on_greeting;
    err = link_open(&p->link, p->gw, p->conf);
    if (err != 0)
        probe_on_fail(&p->link, err);
}

static void
probe_stop(struct gateway *gw)
{
    struct probe *p = gw->probe;

    if (p == NULL)
        return;
    gw->probe = NULL;
    link_close(&p->link);
    if (p->again != NULL)
        event_free(p->again);
    config_unref(p->conf);
    free(p);
}

static void
probe_start(struct gateway *gw)
{
    struct probe *p;

    if (gw->conf->probe_ms == 0 || (p = calloc(1, sizeof(*p))) == NULL)
        return;
    gw->probe = p;
    p->gw = gw;
    p->conf = config_ref(gw->conf);
    p->retry_ms = p->conf->retry_ms;
    p->link.on_fail = probe_on_fail;
    p->again = evtimer_new(gw->base, probe_begin, p);
    if (p->again == NULL) {
        probe_stop(gw);
        return;
    }
    event_priority_set(p->again, PRIO_HOUSEKEEPING);
    probe_begin(-1, 0, p);
}

/* Clients. */

static void
client_reply(struct client *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    evbuffer_add_vprintf(bufferevent_get_output(c->bev), fmt, ap);
    va_end(ap);
}

static void
client_fail(struct client *c, int err)
{
    c->gw->n_errors++;
    client_reply(c, "ERR %s\n", reason_of(err));
}

static void
client_forget_query(struct client *c)
{
    if (c->query != NULL)
        c->gw->n_pending--;
    c->query = NULL;
    free(c->key);
    free(c->value);
    c->key = NULL;
    c->value = NULL;
}

static void
client_free(struct client *c)
{
    struct gateway *gw = c->gw;

    query_free(c->query);
    client_forget_query(c);
    bufferevent_free(c->bev);
    TAILQ_REMOVE(&gw->clients, c, link);
    gw->n_clients--;
    free(c);
    if (gw->stopping && TAILQ_EMPTY(&gw->clients))
        event_base_loopexit(gw->base, NULL);
}

/* The answer of the backend, or why there is none. */
static void
client_on_answer(int err, char *reply, void *arg)
{
    struct client *c = arg;
    struct gateway *gw = c->gw;

    if (err != 0) {
        client_fail(c, err);
    } else if (c->value != NULL && strcmp(reply, "STORED") == 0) {
        cache_store(gw, c->generation, c->key, c->value);
        client_reply(c, "STORED %s\n", c->key);
    } else if (c->value == NULL && strncmp(reply, "VALUE ", 6) == 0) {
        cache_store(gw, c->generation, c->key, reply + 6);
        client_reply(c, "VALUE %s %s\n", c->key, reply + 6);
    } else if (c->value == NULL && strcmp(reply, "NONE") == 0) {
        client_reply(c, "MISS %s\n", c->key);
    } else {
        client_fail(c, EPROTO);
    }
    free(reply);
    client_forget_query(c);
    client_run(c);
}

/* Takes nothing; value is NULL for a GET. */
static void
client_ask(struct client *c, const char *key, const char *value)
{
    struct gateway *gw = c->gw;
    int err = EHOSTDOWN;

    if (gw->backend != BACKEND_DOWN) {
        err = ENOMEM;
        c->key = strdup(key);
        c->value = value != NULL ? strdup(value) : NULL;
        if (c->key != NULL && (value == NULL || c->value != NULL))
            c->query = query_start(gw, c->key, c->value, client_on_answer, c,
                &err);
    }
    if (c->query != NULL) {
        c->generation = gw->cache_generation;
        gw->n_pending++;
        return;
    }
    client_forget_query(c);
    client_fail(c, err);
}

static void
client_on_get(struct client *c, const char *key)
{
    struct cache_entry *e = cache_find(c->gw, key);

    c->gw->n_gets++;
    if (e == NULL) {
        client_ask(c, key, NULL);
        return;
    }
    c->gw->n_hits++;
    client_reply(c, "VALUE %s %s\n", key, e->value);
}

static void
client_on_stat(struct client *c)
{
    static const char *const states[] = {"unknown", "up", "down"};
    struct gateway *gw = c->gw;

    client_reply(c,
        "STAT clients=%lu pending=%lu cached=%lu gets=%lu puts=%lu hits=%lu "
        "errors=%lu reloads=%lu backend=%s\n",
        gw->n_clients, gw->n_pending, gw->n_cached, gw->n_gets, gw->n_puts,
        gw->n_hits, gw->n_errors, gw->n_reloads, states[gw->backend]);
}

static void
client_on_command(struct client *c, char *line)
{
    char *verb = strtok(line, " ");
    char *key = strtok(NULL, " ");
    char *value = strtok(NULL, "");

    if (verb == NULL) {
        client_reply(c, "ERR empty command\n");
    } else if (strcmp(verb, "GET") == 0 && key != NULL && value == NULL) {
        client_on_get(c, key);
    } else if (strcmp(verb, "PUT") == 0 && value != NULL) {
        c->gw->n_puts++;
        client_ask(c, key, value);
    } else if (strcmp(verb, "STAT") == 0 && key == NULL) {
        client_on_stat(c);
    } else if (strcmp(verb, "QUIT") == 0 && key == NULL) {
        client_reply(c, "BYE\n");
        c->closing = 1;
    } else {
        client_reply(c, "ERR bad command\n");
    }
}

/* Works off what the client has sent, until something must be waited for. */
static void
client_run(struct client *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct evbuffer *out = bufferevent_get_output(c->bev);

    while (c->query == NULL && !c->closing && !c->gw->stopping &&
        evbuffer_get_length(out) < CLIENT_OUTPUT_LIMIT) {
        size_t length = 0;
        char *line = evbuffer_readln(in, &length, EVBUFFER_EOL_CRLF);

        if (line == NULL && evbuffer_get_length(in) <= LINE_LIMIT)
            break;
        if (line == NULL || length > LINE_LIMIT) {
            client_reply(c, "ERR line too long\n");
            c->closing = 1;
        } else {
            client_on_command(c, line);
        }
        free(line);
    }
    if (c->query == NULL && (c->closing || c->gw->stopping) &&
        evbuffer_get_length(out) == 0)
        client_free(c);
}

static void
client_on_readable(struct bufferevent *bev, void *arg)
{
    (void)bev;
    client_run(arg);
}

static void
client_on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev, (void)what;
    client_free(arg);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *peer, int peer_len, void *arg)
{
    struct gateway *gw = arg;
    struct client *c = calloc(1, sizeof(*c));

    (void)listener, (void)peer, (void)peer_len;
    if (c != NULL)
        c->bev = bufferevent_socket_new(gw->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c == NULL || c->bev == NULL) {
        say("accept: out of memory");
        evutil_closesocket(fd);
        free(c);
        return;
    }
    c->gw = gw;
    TAILQ_INSERT_TAIL(&gw->clients, c, link);
    gw->n_clients++;
    bufferevent_priority_set(c->bev, PRIO_CLIENT);
    bufferevent_setwatermark(c->bev, EV_READ, 0, CLIENT_INPUT_LIMIT);
    bufferevent_setcb(c->bev, client_on_readable, client_on_readable,
        client_on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    client_reply(c, "+ %s\n", gw->conf->greeting);
}

/* Housekeeping, signals and the rest of the process. */

static void
on_stats(evutil_socket_t fd, short what, void *arg)
{
    struct gateway *gw = arg;

    (void)fd, (void)what;
    say("stats: clients=%lu pending=%lu cached=%lu gets=%lu errors=%lu",
        gw->n_clients, gw->n_pending, gw->n_cached, gw->n_gets, gw->n_errors);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    cache_expire(arg, now_ms());
}

static void
timer_restart(struct event *timer, unsigned ms)
{
    struct timeval tv = tv_of_ms(ms);

    event_del(timer);
    if (ms > 0)
        event_add(timer, &tv);
}

/* Takes conf, and starts what depends on it. */
static void
gateway_configure(struct gateway *gw, struct config *conf)
{
    probe_stop(gw);
    config_unref(gw->conf);
    gw->conf = conf;
    gw->backend = BACKEND_UNKNOWN;
    cache_flush(gw);
    timer_restart(gw->stats, conf->stats_ms);
    timer_restart(gw->sweep, conf->ttl_ms);
    probe_start(gw);
}

static void
on_sighup(evutil_socket_t sig, short what, void *arg)
{
    struct gateway *gw = arg;
    struct config *conf = config_load(gw->config_path);

    (void)sig, (void)what;
    if (conf == NULL || gw->stopping) {
        config_unref(conf);
        return;
    }
    gateway_configure(gw, conf);
    gw->n_reloads++;
    say("reloaded");
}

static void
on_drain_limit(evutil_socket_t fd, short what, void *arg)
{
    struct gateway *gw = arg;

    (void)fd, (void)what;
    event_base_loopbreak(gw->base);
}

static void
on_sigterm(evutil_socket_t sig, short what, void *arg)
{
    struct gateway *gw = arg;
    struct client *c, *next;

    (void)sig, (void)what;
    if (gw->stopping) {
        event_base_loopbreak(gw->base);
        return;
    }
    gw->stopping = 1;
    evconnlistener_disable(gw->listener);
    probe_stop(gw);
    timer_restart(gw->drain_limit, DRAIN_LIMIT_MS);
    if (TAILQ_EMPTY(&gw->clients))
        event_base_loopexit(gw->base, NULL);
    for (c = TAILQ_FIRST(&gw->clients); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        client_run(c);
    }
}

static struct event *
gateway_event(struct gateway *gw, evutil_socket_t fd, short what,
    event_callback_fn cb, int priority)
{
    struct event *ev = event_new(gw->base, fd, what, cb, gw);

    if (ev == NULL || event_priority_set(ev, priority) < 0) {
        say("cannot make an event");
        exit(1);
    }
    if (what & EV_SIGNAL)
        event_add(ev, NULL);
    return ev;
}

static void
gateway_make_events(struct gateway *gw)
{
    gw->on_term = gateway_event(gw, SIGTERM, EV_SIGNAL | EV_PERSIST, on_sigterm,
        PRIO_URGENT);
    gw->on_int = gateway_event(gw, SIGINT, EV_SIGNAL | EV_PERSIST, on_sigterm,
        PRIO_URGENT);
    gw->on_hup = gateway_event(gw, SIGHUP, EV_SIGNAL | EV_PERSIST, on_sighup,
        PRIO_URGENT);
    gw->drain_limit = gateway_event(gw, -1, 0, on_drain_limit, PRIO_URGENT);
    gw->stats = gateway_event(gw, -1, EV_PERSIST, on_stats, PRIO_HOUSEKEEPING);
    gw->sweep = gateway_event(gw, -1, EV_PERSIST, on_sweep, PRIO_HOUSEKEEPING);
}

static int
gateway_listen(struct gateway *gw, const char *address)
{
    struct sockaddr_storage ss;
    socklen_t bound_len = sizeof(ss);
    int len = (int)sizeof(ss);
    uint16_t port;

    if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&ss, &len) < 0)
        return -1;
    gw->listener = evconnlistener_new_bind(gw->base, on_accept, gw,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, -1,
        (struct sockaddr *)&ss, len);
    if (gw->listener == NULL ||
        getsockname(evconnlistener_get_fd(gw->listener), (struct sockaddr *)&ss,
            &bound_len) < 0)
        return -1;
    port = ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                    : ((struct sockaddr_in *)&ss)->sin_port;
    printf("listening on port %u\n", (unsigned)ntohs(port));
    fflush(stdout);
    return 0;
}

static void
gateway_done(struct gateway *gw)
{
    while (!TAILQ_EMPTY(&gw->clients))
        client_free(TAILQ_FIRST(&gw->clients));
    probe_stop(gw);
    cache_flush(gw);
    config_unref(gw->conf);
    if (gw->listener != NULL)
        evconnlistener_free(gw->listener);
    event_free(gw->on_term);
    event_free(gw->on_int);
    event_free(gw->on_hup);
    event_free(gw->drain_limit);
    event_free(gw->stats);
    event_free(gw->sweep);
    event_base_free(gw->base);
}

int
main(int argc, char **argv)
{
    struct gateway gw = {.config_path = argv[1]};
    struct config *conf;
    int status = 1;

    if (argc < 2 || argc > 3) {
        say("usage: %s CONFIG [HOST[:PORT]]", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    TAILQ_INIT(&gw.clients);
    conf = config_load(gw.config_path);
    gw.base = event_base_new();
    if (conf == NULL || gw.base == NULL)
        return 1;
    event_base_priority_init(gw.base, PRIO_COUNT);
    gateway_make_events(&gw);
    gateway_configure(&gw, conf);
    if (gateway_listen(&gw, argc > 2 ? argv[2] : "127.0.0.1") == 0)
        status = event_base_dispatch(gw.base) < 0;
    else
        say("cannot listen");
    gateway_done(&gw);
    return status;
}
