/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc-internal.h"
#include "io/operation-internal.h"

/*
 * The entries of sockets of ours: when they are armed, what they expect, how
 * they end. Those of the program's fds are test-interest's.
 */

static struct evfi_entry *
entry_of(evf_socket *socket)
{
    return &socket->entry;
}

START_TEST(muted_entry_that_is_closed_wakes_those_who_wait)
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    evfi_entry_mute(entry_of(socket));
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    evf_socket_close(socket);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    close(peer);
}
END_TEST

START_TEST(map_grows_with_the_numbers_of_the_fds) /* F28 */
{
    static const int numbers[] = {63, 64, 200, 900};
    struct hand h = {0};
    char buf[8];
    evf_socket *sockets[4], *again = NULL;
    int peers[4], fds[2];

    for (int i = 0; i < 4; i++) {
        pair(fds);
        peers[i] = fds[1];
        ck_assert_int_eq(dup3(fds[0], numbers[i], O_CLOEXEC), numbers[i]);
        close(fds[0]);
        if (i == 1) {
            heap_fail_at(2);
            ck_assert_int_eq(evf_socket_new(&sockets[i], executor, numbers[i]),
                -ENOMEM);
        }
        sockets[i] = adopt(numbers[i]);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(evf_socket_new(&again, executor, numbers[i]), -EEXIST);
        grasp(&h, evf_read(&h.op, sockets[i], buf, sizeof(buf)));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        say(peers[i], "x");
        ck_assert_int_eq(hand_end(&h), 1);
        evf_socket_close(sockets[i]);
        close(peers[i]);
    }
}
END_TEST

START_TEST(number_of_a_closed_socket_is_free_at_once) /* L3 */
{
    struct hand h = {0};
    char buf[8];
    int peer, fd, fds[2];
    evf_socket *socket = adopt_pair(&peer);

    fd = evf_socket_fd(socket);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    evf_socket_close(socket);
    close(peer);
    pair(fds);
    ck_assert_int_eq(fds[0], fd);
    socket = adopt(fd);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), -EBADF);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 1);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(duplicate_of_a_closed_socket_wakes_nobody) /* L4 */
{
    struct hand h = {0};
    char buf[8];
    int peer, copy;
    evf_socket *socket = adopt_pair(&peer);

    copy = dup(evf_socket_fd(socket));
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    evf_socket_close(socket);
    let_go(&h);
    say(peer, "x");
    pass();
    ck_assert_uint_eq(h.probe.wakes, 1); /* of the close */
    ck_assert(readable(copy));
    close(copy);
    close(peer);
}
END_TEST

static void
release(struct evfi_entry *entry)
{
    evfi_release(entry);
}

START_TEST(entry_lives_as_long_as_somebody_refers_to_it)
{
    struct evfi_entry *entry = evfi_new(sizeof(*entry));
    size_t blocks = heap_blocks();
    int fds[2];

    pair(fds);
    ck_assert_int_eq(evfi_entry_open(entry, evf_executor_reactor(executor),
                         fds[0], release),
        0);
    ck_assert_int_eq(evfi_entry_error(entry), 0);
    entry->refs++;
    ck_assert_int_eq(evfi_entry_close(entry), fds[0]);
    ck_assert_int_eq(evfi_entry_error(entry), -EBADF);
    evfi_entry_unref(entry);
    ck_assert_uint_ge(heap_blocks(), blocks);
    evfi_entry_unref(entry);
    ck_assert_uint_le(heap_blocks(), blocks);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(detached_entry_keeps_its_fd_and_says_why)
{
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    executor_done();
    ck_assert_int_eq(evfi_entry_error(entry_of(socket)), -ESHUTDOWN);
    ck_assert_uint_eq(entry_of(socket)->hint, 0);
    ck_assert_int_ge(evf_socket_fd(socket), 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

TEST_MAIN("entry-end", muted_entry_that_is_closed_wakes_those_who_wait,
    map_grows_with_the_numbers_of_the_fds,
    number_of_a_closed_socket_is_free_at_once,
    duplicate_of_a_closed_socket_wakes_nobody,
    entry_lives_as_long_as_somebody_refers_to_it,
    detached_entry_keeps_its_fd_and_says_why)
