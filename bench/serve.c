/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void
serve_die(const char *message)
{
    fprintf(stderr, "%s: %s\n", message, strerror(errno));
    exit(1);
}

static uint16_t
parse_port(const char *text)
{
    char *end;
    unsigned long port;

    errno = 0;
    port = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || port > UINT16_MAX) {
        fprintf(stderr, "'%s' is no port\n", text);
        exit(2);
    }
    return (uint16_t)port;
}

static uint16_t
parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    uint16_t port = 0;
    int option;

    while ((option = getopt_long(argc, argv, "p:", options, NULL)) != -1) {
        if (option != 'p')
            exit(2);
        port = parse_port(optarg);
    }
    if (optind != argc) {
        fprintf(stderr, "usage: %s [--port PORT]\n", argv[0]);
        exit(2);
    }
    return port;
}

int
serve_listen(int argc, char **argv)
{
    struct sockaddr_in address;
    int one = 1;
    int fd;

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_port = htons(parse_options(argc, argv));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        serve_die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
        serve_die("SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        serve_die("bind");
    if (listen(fd, SOMAXCONN) < 0)
        serve_die("listen");
    return fd;
}

void
serve_announce(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);

    if (getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        serve_die("getsockname");
    printf("listening on %u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
}

void
serve_tune(int fd)
{
    int one = 1;

    /* Without it the answers are slower and still right. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}
