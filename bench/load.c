/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client of the echo servers, one thread.  A closed loop: every
 * connection has one message under way, and sends the next when all bytes of
 * the last have come back.  Every byte is compared.  Each message differs from
 * its neighbours on the same connection and on the others, so that an answer
 * that went astray is seen.
 *
 *     load --port 7777 --connections 50 --size 64 --trips 100000
 *     trips=100000 seconds=1.203 rate=83126 server_ns=0
 *
 * The connections are opened one after the other and each has had one message
 * answered before the clock starts; these do not count as trips.  With
 * --server-pid the processor time that the server used in the measured time
 * is told too, in nanoseconds.  With --idle the connections are then left
 * alone until standard input ends or SIGTERM comes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A message starts at one of so many offsets of the pattern: a prime, so
 * that the multiples used below visit all of them. */
#define PHASES 4093

/* No answer for so long means that the server lost a message. */
#define STALLED_MS 30000

struct connection {
    int fd;
    uint32_t number;
    uint32_t sequence; /* of the message under way */
    size_t sent;
    size_t received;
    bool wants_room; /* EPOLLOUT is armed */
    bool busy;       /* a message is under way */
};

static struct {
    uint16_t port;
    unsigned connections;
    size_t size;
    uint64_t trips;
    double seconds;
    pid_t server;
    bool idle;
} options = {.connections = 1, .size = 64};

static unsigned char *pattern; /* PHASES + size bytes */
static unsigned char *inbox;   /* size bytes, shared */
static struct connection *connections;
static int epoll = -1;
static uint64_t started;  /* messages, of the measured ones */
static uint64_t finished; /* trips, of the measured ones */

_Noreturn static void
fail(const char *message)
{
    fprintf(stderr, "load: %s\n", message);
    exit(1);
}

_Noreturn static void
fail_errno(const char *message)
{
    fprintf(stderr, "load: %s: %s\n", message, strerror(errno));
    exit(1);
}

static double
number_of(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        fprintf(stderr, "load: '%s' is out of range\n", text);
        exit(2);
    }
    return value;
}

static void
apply_option(int option)
{
    switch (option) {
    case 'p':
        options.port = (uint16_t)number_of(optarg, 1, UINT16_MAX);
        break;
    case 'c':
        options.connections = (unsigned)number_of(optarg, 1, 1e6);
        break;
    case 's':
        options.size = (size_t)number_of(optarg, 1, 1 << 28);
        break;
    case 't':
        options.trips = (uint64_t)number_of(optarg, 1, 1e15);
        break;
    case 'S':
        options.seconds = number_of(optarg, 0.001, 1e6);
        break;
    case 'P':
        options.server = (pid_t)number_of(optarg, 1, INT32_MAX);
        break;
    case 'i':
        options.idle = true;
        break;
    default:
        exit(2);
    }
}

static void
parse_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"connections", required_argument, NULL, 'c'},
        {"size", required_argument, NULL, 's'},
        {"trips", required_argument, NULL, 't'},
        {"seconds", required_argument, NULL, 'S'},
        {"server-pid", required_argument, NULL, 'P'},
        {"idle", no_argument, NULL, 'i'},
        {NULL, 0, NULL, 0},
    };
    int option;
    int modes;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        apply_option(option);
    modes = (options.trips != 0) + (options.seconds != 0) + options.idle;
    if (optind != argc || options.port == 0 || modes != 1) {
        fprintf(stderr,
            "usage: load --port PORT [--connections N] "
            "[--size BYTES] [--server-pid PID]\n"
            "            (--trips N | --seconds S | --idle)\n");
        exit(2);
    }
}

static void
make_pattern(void)
{
    uint32_t state = 2463534242u;

    pattern = malloc(PHASES + options.size);
    inbox = malloc(options.size);
    connections = calloc(options.connections, sizeof(*connections));
    if (pattern == NULL || inbox == NULL || connections == NULL)
        fail("out of memory");
    for (size_t i = 0; i < PHASES + options.size; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        pattern[i] = (unsigned char)(state >> 11);
    }
}

static const unsigned char *
message_of(const struct connection *c)
{
    uint64_t phase = (uint64_t)c->number * 509 + (uint64_t)c->sequence * 31;

    return pattern + phase % PHASES;
}

static double
seconds_on(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) < 0)
        fail_errno("clock_gettime");
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Processor time of the server so far, user's and kernel's; 0 if not asked. */
static double
server_seconds(void)
{
    clockid_t clock;
    int err;

    if (options.server == 0)
        return 0;
    err = clock_getcpuclockid(options.server, &clock);
    if (err != 0) {
        errno = err;
        fail_errno("the server's processor time");
    }
    return seconds_on(clock);
}

static void
watch(struct connection *c, int operation)
{
    struct epoll_event event = {.data.ptr = c};

    event.events = c->wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (epoll_ctl(epoll, operation, c->fd, &event) < 0)
        fail_errno("epoll_ctl");
}

static void
send_rest(struct connection *c)
{
    const unsigned char *message = message_of(c);
    bool full = false;

    while (c->sent < options.size && !full) {
        ssize_t n = send(c->fd, message + c->sent, options.size - c->sent,
            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0)
            c->sent += (size_t)n;
        else if (errno == EAGAIN)
            full = true;
        else if (errno != EINTR)
            fail_errno("send");
    }
    if (full != c->wants_room) {
        c->wants_room = full;
        watch(c, EPOLL_CTL_MOD);
    }
}

static void
send_message(struct connection *c)
{
    c->sequence++;
    c->sent = 0;
    c->received = 0;
    c->busy = true;
    send_rest(c);
}

/* Takes what has arrived: true when the message is complete. */
static bool
receive(struct connection *c)
{
    ssize_t n = recv(c->fd, inbox, options.size, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n < 0)
        fail_errno("recv");
    if (n == 0)
        fail("the server closed a connection");
    if (!c->busy || (size_t)n > c->sent - c->received)
        fail("more came back than was sent");
    if (memcmp(inbox, message_of(c) + c->received, (size_t)n) != 0)
        fail("other bytes came back than were sent");
    c->received += (size_t)n;
    if (c->received < options.size)
        return false;
    c->busy = false;
    return true;
}

/*
 * Handles one batch of readiness and starts no new message.  Each connection
 * whose message came back is stored in `done`, which has room for all of them:
 * their number is returned.
 */
static unsigned
wait_for_answers(struct connection **done, unsigned room)
{
    struct epoll_event events[256];
    unsigned complete = 0;
    int n = epoll_wait(epoll, events, room < 256 ? (int)room : 256, STALLED_MS);

    if (n < 0 && errno != EINTR)
        fail_errno("epoll_wait");
    if (n == 0)
        fail("no answer for 30 s");
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;

        if (events[i].events & EPOLLOUT)
            send_rest(c);
        if (events[i].events & ~(uint32_t)EPOLLOUT && receive(c))
            done[complete++] = c;
    }
    return complete;
}

static void
open_connection(struct connection *c, uint32_t number)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct connection *done;
    int one = 1;

    address.sin_port = htons(options.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->number = number;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        fail_errno("socket");
    if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail_errno("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    watch(c, EPOLL_CTL_ADD);
    /* Nothing else is under way, so the answer is this one's. */
    send_message(c);
    while (wait_for_answers(&done, 1) == 0)
        continue;
}

static void
run(double deadline)
{
    struct connection *done[256];

    for (unsigned i = 0; i < options.connections; i++) {
        if (options.trips != 0 && started == options.trips)
            break;
        started++;
        send_message(&connections[i]);
    }
    while (finished < started) {
        unsigned n = wait_for_answers(done, 256);
        bool more = options.trips == 0 &&
            seconds_on(CLOCK_MONOTONIC) < deadline;

        finished += n;
        for (unsigned i = 0; i < n; i++) {
            if (!more && started >= options.trips)
                break;
            started++;
            send_message(done[i]);
        }
    }
}

static void
measure(void)
{
    double server = server_seconds();
    double start = seconds_on(CLOCK_MONOTONIC);
    double elapsed;

    run(start + options.seconds);
    elapsed = seconds_on(CLOCK_MONOTONIC) - start;
    server = server_seconds() - server;
    printf("trips=%llu seconds=%.6f rate=%.0f server_ns=%.0f\n",
        (unsigned long long)finished, elapsed, (double)finished / elapsed,
        server * 1e9);
}

static volatile sig_atomic_t stopping;

static void
on_sigterm(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

/* Standard input is the leash: it ends when the driver does, however that is,
 * so no client outlives it. */
static void
hold(const sigset_t *mask)
{
    struct pollfd leash = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;

    printf("holding %u connections\n", options.connections);
    fflush(stdout);
    while (!stopping) {
        if (ppoll(&leash, 1, NULL, mask) <= 0)
            continue;
        if (read(STDIN_FILENO, &byte, 1) <= 0)
            return;
    }
}

int
main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_sigterm};
    sigset_t blocked;
    sigset_t before;

    parse_options(argc, argv);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    if (options.idle &&
        (sigprocmask(SIG_BLOCK, &blocked, &before) < 0 ||
            sigaction(SIGTERM, &action, NULL) < 0))
        fail_errno("SIGTERM");
    make_pattern();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        fail_errno("epoll_create1");
    for (unsigned i = 0; i < options.connections; i++)
        open_connection(&connections[i], i);
    if (options.idle)
        hold(&before);
    else
        measure();
    return 0; /* the connections end with the process */
}
