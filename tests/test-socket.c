/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/socket-internal.h"

START_TEST(new_refuses_what_cannot_be_waited_for) /* L17 */
{
    evf_socket *untouched = (evf_socket *)&base, *socket = untouched;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int closed = dup(file);

    close(closed);
    ck_assert_int_eq(evf_socket_new(&socket, executor, file), -ENOTSUP);
    ck_assert_int_eq(evf_socket_new(&socket, executor, directory), -ENOTSUP);
    ck_assert_int_eq(evf_socket_new(&socket, executor, closed), -EBADF);
    ck_assert_int_eq(evf_socket_new(&socket, executor, -1), -EBADF);
    ck_assert_ptr_eq(socket, untouched);
    ck_assert_uint_eq(heap_blocks(), 1); /* the executor */
    close(file);
    close(directory);
}
END_TEST

START_TEST(new_refuses_null) /* F47 */
{
    evf_socket *socket = NULL;
    int fds[2];

    pair(fds);
    ck_assert_int_eq(evf_socket_new(NULL, executor, fds[0]), -EINVAL);
    ck_assert_int_eq(evf_socket_new(&socket, NULL, fds[0]), -EINVAL);
    ck_assert_ptr_null(socket);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(new_refuses_a_second_socket_on_a_fd)
{
    evf_socket *second = NULL;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    ck_assert_int_eq(evf_socket_new(&second, executor, evf_socket_fd(socket)),
        -EEXIST);
    ck_assert_ptr_null(second);
    ck_assert_int_ge(fcntl(evf_socket_fd(socket), F_GETFD), 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(new_refuses_a_fd_with_a_live_wait)
{
    struct hand h = {0};
    evf_socket *socket = NULL;
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(evf_socket_new(&socket, executor, fds[0]), -EEXIST);
    let_go(&h);
    ck_assert_int_eq(evf_socket_new(&socket, executor, fds[0]), 0);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(new_out_of_memory_leaves_the_fd) /* F28 */
{
    evf_socket *socket = NULL;
    int fds[2];

    pair(fds);
    for (size_t n = 1; n <= 2; n++) {
        heap_fail_at(n);
        ck_assert_int_eq(evf_socket_new(&socket, executor, fds[0]), -ENOMEM);
        ck_assert_ptr_null(socket);
        ck_assert_uint_eq(heap_blocks(), 1);
    }
    ck_assert_int_ge(fcntl(fds[0], F_GETFD), 0);
    ck_assert_int_eq(evf_socket_new(&socket, executor, fds[0]), 0);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(flags_of_a_fd_are_left_alone) /* F48 */
{
    struct hand h = {0};
    evf_socket *socket;
    char buf[8];
    int fds[2];

    if (blocking_fds_abort())
        return;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    socket = adopt(fds[0]);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), 1);
    ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), 0);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(constructor_arms_nothing)
{
    int peer, fd;
    evf_socket *socket = adopt_pair(&peer);

    fd = evf_socket_fd(socket);
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    pass();
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(close_closes_the_fd)
{
    int peer, fd;
    evf_socket *socket = adopt_pair(&peer);

    fd = evf_socket_fd(socket);
    evf_socket_close(socket);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
    hear(peer, "");
    close(peer);
}
END_TEST

START_TEST(close_ends_those_who_wait_with_ebadf)
{
    struct hand r = {0}, w = {0}, second = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    stuff(evf_socket_fd(socket));
    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    grasp(&w, evf_write(&w.op, socket, "x", 1));
    grasp(&second, evf_read(&second.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&second), EVF_PENDING);
    evf_socket_close(socket);
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_uint_eq(w.probe.wakes, 1);
    ck_assert_uint_eq(second.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&r), -EBADF);
    ck_assert_int_eq(hand_end(&w), -EBADF);
    ck_assert_int_eq(hand_end(&second), -EBADF);
    close(peer);
}
END_TEST

START_TEST(operation_begun_before_the_close_and_polled_after) /* F1 */
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    say(peer, "x");
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    evf_socket_close(socket);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    close(peer);
}
END_TEST

START_TEST(reference_keeps_the_object_and_not_the_fd)
{
    struct hand h = {0};
    evf_interest interest = {0};
    struct probe probe;
    int peer, fd;
    evf_socket *socket = evf_socket_ref(adopt_pair(&peer));

    probe_init(&probe);
    fd = evf_socket_fd(socket);
    evf_socket_close(socket);
    ck_assert_int_eq(evf_socket_fd(socket), -1);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
    ck_assert_int_eq(evf_socket_shutdown(socket, SHUT_RD), -EBADF);
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, &interest,
                         &probe.waker),
        -EBADF);
    grasp(&h, evf_read(&h.op, socket, &fd, 1));
    ck_assert_int_eq(hand_end(&h), -EBADF);
    evf_socket_unref(socket);
    close(peer);
}
END_TEST

START_TEST(closing_twice_is_misuse) /* F14 */
{
    int peer;
    evf_socket *socket = evf_socket_ref(adopt_pair(&peer));

    evf_socket_close(socket);
    evf_socket_close(socket);
    ck_assert_misuse(1);
    ck_assert_int_eq(evf_socket_release_fd(socket), -EBADF);
    ck_assert_misuse(1);
    evf_socket_unref(socket);
    close(peer);
}
END_TEST

START_TEST(release_gives_back_a_fd_without_events) /* F48 */
{
    struct hand h = {0};
    char buf[8];
    int peer, fd;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    fd = evf_socket_fd(socket);
    ck_assert_uint_eq(events_on_fd(base, fd), 1);
    ck_assert_int_eq(evf_socket_release_fd(socket), fd);
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    say(peer, "still open");
    hear(fd, "still open");
    socket = adopt(fd);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(null_sockets_are_fine) /* F47 */
{
    evf_interest interest = {0};
    struct probe probe;

    probe_init(&probe);
    evf_socket_close(NULL);
    evf_socket_dispose(NULL);
    evf_socket_unref(NULL);
    ck_assert_ptr_null(evf_socket_ref(NULL));
    ck_assert_int_eq(evf_socket_fd(NULL), -1);
    ck_assert_int_eq(evf_socket_release_fd(NULL), -EBADF);
    ck_assert_int_eq(evf_socket_shutdown(NULL, SHUT_WR), -EBADF);
    ck_assert_int_eq(evf_socket_set_readable_callback(NULL, &interest,
                         &probe.waker),
        -EBADF);
    ck_assert_int_eq(probe_live(&probe), 0);
}
END_TEST

/* EVF_AWAIT stores an error where a socket should be. */
START_TEST(failed_sockets_are_fine) /* F47 */
{
    evf_socket *failed = (evf_socket *)(intptr_t)-ECONNREFUSED;
    evf_interest interest = {0};
    struct probe probe;
    char c;

    probe_init(&probe);
    evf_socket_close(failed);
    evf_socket_dispose(failed);
    evf_socket_unref(evf_socket_ref(failed));
    ck_assert_int_eq(evf_socket_fd(failed), -1);
    ck_assert_int_eq(evf_socket_release_fd(failed), -EBADF);
    ck_assert_int_eq(evf_socket_shutdown(failed, SHUT_WR), -EBADF);
    ck_assert_int_eq(evf_socket_set_readable_callback(failed, &interest,
                         &probe.waker),
        -EBADF);
    ck_assert_int_eq(finish_now(evf_read(NULL, failed, &c, 1)), -EBADF);
    ck_assert_int_eq(finish_now(evf_write(NULL, failed, "", 1)), -EBADF);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, failed, "", 1)), -EBADF);
    ck_assert_int_eq(finish_now(evf_writev(NULL, failed,
                         &(struct iovec){TEXT("x"), 1}, 1)),
        -EBADF);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, failed, NULL, 0)), -EBADF);
}
END_TEST

START_TEST(shutdown_says_end_of_file_to_the_peer)
{
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    ck_assert_int_eq(evf_socket_shutdown(socket, SHUT_WR), 0);
    hear(peer, "");
    ck_assert_int_eq(evf_socket_shutdown(socket, 42), -EINVAL);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(shutdown_of_a_pipe_is_refused)
{
    int fds[2];
    evf_socket *socket;

    make_pipe(fds, 0);
    socket = adopt(fds[0]);
    ck_assert_int_eq(evf_socket_shutdown(socket, SHUT_RD), -ENOTSOCK);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(socket_outlives_its_executor) /* F23 F7 */
{
    struct hand h = {0};
    char buf[8];
    int peer, fd;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    fd = evf_socket_fd(socket);
    ck_assert_int_ge(fd, 0);
    grasp(&h, evf_write(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    ck_assert_int_eq(evf_socket_shutdown(socket, SHUT_RDWR), 0);
    evf_socket_close(socket);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
    close(peer);
}
END_TEST

START_TEST(release_after_the_executor_is_gone)
{
    int peer, fd;
    evf_socket *socket = adopt_pair(&peer);

    fd = evf_socket_fd(socket);
    executor_done();
    ck_assert_int_eq(evf_socket_release_fd(socket), fd);
    say(fd, "x");
    hear(peer, "x");
    close(fd);
    close(peer);
}
END_TEST

struct maker {
    evf_future future;
    int fd, err;
    evf_socket *socket;
};

static enum evf_poll
maker_poll(evf_future *self, evf_context *cx)
{
    (void)self;
    (void)cx;
    return EVF_PENDING;
}

static void
maker_drop(evf_future *self)
{
    struct maker *m = evf_container_of(self, struct maker, future);

    m->err = evf_socket_new(&m->socket, executor, m->fd);
}

static const evf_future_ops maker_ops = {
    .size = sizeof(struct maker),
    .name = "maker",
    .poll = maker_poll,
    .drop = maker_drop,
};

START_TEST(socket_made_while_the_executor_goes_is_closed_by_hand) /* F16 */
{
    struct maker m = {.err = 1};
    evf_task *task;
    int fds[2];

    pair(fds);
    m.fd = fds[0];
    evf_future_init(&m.future, &maker_ops);
    task = evf_spawn(executor, &m.future);
    executor_done();
    ck_assert(m.err == 0 || m.err == -ESHUTDOWN);
    if (m.err == 0)
        evf_socket_close(m.socket);
    else
        close(fds[0]);
    evf_task_free(task);
    close(fds[1]);
}
END_TEST

START_TEST(op_in_use_is_refused_and_keeps_no_reference) /* F34 F6 */
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);
    uint32_t refs = socket->entry.refs;

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(socket->entry.refs, refs + 1);
    ck_assert_int_eq(finish_now(evf_write_all(&h.op, socket, "x", 1)), -EBUSY);
    ck_assert_int_eq(finish_now(evf_writev(&h.op, socket, NULL, 0)), -EBUSY);
    ck_assert_uint_eq(socket->entry.refs, refs + 1);
    say(peer, "ab");
    ck_assert_int_eq(hand_end(&h), 2);
    ck_assert_uint_eq(socket->entry.refs, refs);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(operation_on_the_heap_is_freed_by_its_drop)
{
    char buf[8];
    size_t blocks;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    blocks = heap_blocks();
    say(peer, "abc");
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, sizeof(buf))), 3);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "xy", 2)), 2);
    hear(peer, "xy");
    ck_assert_uint_eq(heap_blocks(), blocks);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_read(NULL, socket, buf, sizeof(buf)));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_read(NULL, socket, buf, 0));
    evf_socket_close(socket);
    close(peer);
}
END_TEST

static void
note(void *arg, evf_future *child, const char *text)
{
    ck_assert_ptr_null(child);
    strcat(arg, text);
}

START_TEST(visit_names_the_fd) /* F41 */
{
    char text[64] = "", expected[64], buf[8];
    struct hand h = {0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    snprintf(expected, sizeof(expected), "fd %d", evf_socket_fd(socket));
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_str_eq(h.future->ops->name, "read");
    h.future->ops->visit(h.future, note, text);
    ck_assert_str_eq(text, expected);
    evf_socket_close(socket);
    text[0] = '\0';
    h.future->ops->visit(h.future, note, text);
    ck_assert_str_eq(text, "");
    let_go(&h);
    close(peer);
}
END_TEST

TEST_MAIN("socket", new_refuses_what_cannot_be_waited_for, new_refuses_null,
    new_refuses_a_second_socket_on_a_fd, new_refuses_a_fd_with_a_live_wait,
    new_out_of_memory_leaves_the_fd, flags_of_a_fd_are_left_alone,
    constructor_arms_nothing, close_closes_the_fd,
    close_ends_those_who_wait_with_ebadf,
    operation_begun_before_the_close_and_polled_after,
    reference_keeps_the_object_and_not_the_fd, closing_twice_is_misuse,
    release_gives_back_a_fd_without_events, null_sockets_are_fine,
    failed_sockets_are_fine, shutdown_says_end_of_file_to_the_peer,
    shutdown_of_a_pipe_is_refused, socket_outlives_its_executor,
    release_after_the_executor_is_gone,
    socket_made_while_the_executor_goes_is_closed_by_hand,
    op_in_use_is_refused_and_keeps_no_reference,
    operation_on_the_heap_is_freed_by_its_drop, visit_names_the_fd)
