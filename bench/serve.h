/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every echo server of the bench has in common, so that two of them
 * differ in how they wait for their sockets and in nothing else: the command
 * line, the listening socket, the options of an accepted socket, and the
 * size of the buffer that one read fills.
 */
#ifndef BENCH_SERVE_H
#define BENCH_SERVE_H

/* One read takes at most this much, in every server. */
#define SERVE_BUFFER 4096

/*
 * Reads `--port PORT` (0, the default, lets the kernel choose), and returns a
 * non-blocking listening socket on 127.0.0.1.  Ends the process with a
 * message when it cannot: a bench without its port measures nothing.
 */
int serve_listen(int argc, char **argv);

/*
 * Prints `listening on PORT`, which tells the driver that it may connect.
 * To be called when the loop is about to run.
 */
void serve_announce(int listener);

/*
 * Answers must not wait in Nagle's queue for an acknowledgement, or a message
 * larger than the buffer would measure the kernel's timers.
 */
void serve_tune(int fd);

/* Prints the message with the text of errno and ends the process with 1. */
_Noreturn void serve_die(const char *message);

#endif
