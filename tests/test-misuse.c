/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/misuse-internal.h"

static unsigned told;
static const char *told_message;

static void
tell(const char *message)
{
    told++;
    told_message = message;
}

START_TEST(handler_gets_the_message_once)
{
    static const char message[] = "a message";

    told = 0;
    evf_set_misuse_handler(tell);
    evfi_misuse(message);
    ck_assert_uint_eq(told, 1);
    ck_assert_ptr_eq(told_message, message);
    ck_assert_misuse(0);
}
END_TEST

START_TEST(latest_handler_is_the_only_one)
{
    told = 0;
    evf_set_misuse_handler(tell);
    evf_set_misuse_handler(tell);
    evfi_misuse("x");
    ck_assert_uint_eq(told, 1);
    ck_assert_str_eq(told_message, "x");
}
END_TEST

/* What a process does that misuses under the default handler. */
struct death {
    int status;
    char said[256];
};

static void
misuse_by_default(int out)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    signal(SIGABRT, SIG_DFL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    evf_set_misuse_handler(tell);
    evf_set_misuse_handler(NULL);
    evfi_misuse("by default");
    _exit(told == 0 ? 7 : 8);
}

static void
watch(struct death *death)
{
    int out[2];
    pid_t child;
    ssize_t n;

    memset(death, 0, sizeof(*death));
    told = 0;
    ck_assert_int_eq(pipe(out), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        misuse_by_default(out[1]);
    close(out[1]);
    ck_assert_int_eq(waitpid(child, &death->status, 0), child);
    n = read(out[0], death->said, sizeof(death->said) - 1);
    ck_assert_int_ge(n, 0);
    close(out[0]);
}

/* F48: nothing is printed unless the library was built for it. */
START_TEST(default_handler_aborts_in_a_debug_build_and_is_silent_otherwise)
{
    struct death death;

    watch(&death);
#ifdef EVF_DEBUG
    ck_assert(WIFSIGNALED(death.status));
    ck_assert_int_eq(WTERMSIG(death.status), SIGABRT);
    ck_assert_str_eq(death.said, "evfuture: misuse: by default\n");
#else
    ck_assert(WIFEXITED(death.status));
    ck_assert_int_eq(WEXITSTATUS(death.status), 7);
    ck_assert_str_eq(death.said, "");
#endif
}
END_TEST

/* F14 */
START_TEST(poll_after_ready_is_misuse_and_leaves_the_result_alone)
{
    struct leaf l = {.ready = true, .result = 4};
    struct probe probe;
    evf_future *future = leaf(&l);

    probe_init(&probe);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_misuse(1);
    ck_assert_str_eq(misuse_message, "a future was polled after it was ready");
    ck_assert_int_eq(evf_future_take(future), 4);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_misuse(1);
    ck_assert_uint_eq(l.polls, 1);
    evf_future_drop(future);
}
END_TEST

/* A future that misuses itself from its own poll or drop. */
struct selfish {
    evf_future future;
    void (*in_poll)(evf_future *self, evf_context *cx);
    void (*in_drop)(evf_future *self, evf_context *cx);
    enum evf_poll returns;
    intptr_t result; /* 0: it sets none */
    unsigned polls, drops;
};

static enum evf_poll
selfish_poll(evf_future *self, evf_context *cx)
{
    struct selfish *s = evf_container_of(self, struct selfish, future);

    s->polls++;
    if (s->in_poll != NULL)
        s->in_poll(self, cx);
    if (s->result != 0)
        return evf_future_ready(self, s->result);
    return s->returns;
}

static void
selfish_drop(evf_future *self)
{
    struct selfish *s = evf_container_of(self, struct selfish, future);

    s->drops++;
    if (s->in_drop != NULL && s->drops == 1)
        s->in_drop(self, NULL);
}

static const evf_future_ops selfish_ops = {
    .size = sizeof(struct selfish),
    .name = "selfish",
    .poll = selfish_poll,
    .drop = selfish_drop,
};

static void
drop_self(evf_future *self, evf_context *cx)
{
    (void)cx;
    evf_future_drop(self);
}

static void
poll_self(evf_future *self, evf_context *cx)
{
    ck_assert_int_eq(evf_future_poll(self, cx), EVF_PENDING);
}

/* F14 */
START_TEST(drop_in_ones_own_poll_is_misuse_without_effect)
{
    struct selfish s = {.in_poll = drop_self, .result = 8};
    struct probe probe;

    probe_init(&probe);
    evf_future_init(&s.future, &selfish_ops);
    ck_assert_int_eq(poll_with(&s.future, &probe, NULL), EVF_READY);
    ck_assert_misuse(1);
    ck_assert_uint_eq(s.drops, 0);
    ck_assert_int_eq(evf_future_take(&s.future), 8);
    evf_future_drop(&s.future);
    ck_assert_uint_eq(s.drops, 1);
}
END_TEST

/* F14 */
START_TEST(poll_in_ones_own_poll_is_misuse_without_effect)
{
    struct selfish s = {.in_poll = poll_self, .returns = EVF_PENDING};
    struct probe probe;

    probe_init(&probe);
    evf_future_init(&s.future, &selfish_ops);
    ck_assert_int_eq(poll_with(&s.future, &probe, NULL), EVF_PENDING);
    ck_assert_misuse(1);
    ck_assert_uint_eq(s.polls, 1);
    ck_assert_int_eq(poll_with(&s.future, &probe, NULL), EVF_PENDING);
    ck_assert_misuse(1);
    ck_assert_uint_eq(s.polls, 2);
    evf_future_drop(&s.future);
}
END_TEST

/* F14 */
START_TEST(poll_and_drop_in_ones_own_drop_are_misuse_without_effect)
{
    struct selfish s = {.in_drop = drop_self};

    evf_future_init(&s.future, &selfish_ops);
    evf_future_drop(&s.future);
    ck_assert_misuse(1);
    ck_assert_uint_eq(s.drops, 1);

    s = (struct selfish){.in_drop = poll_self};
    evf_future_init(&s.future, &selfish_ops);
    evf_future_drop(&s.future);
    ck_assert_misuse(1);
    ck_assert_uint_eq(s.polls, 0);
}
END_TEST

/* F14 */
START_TEST(ready_without_a_result_is_misuse_and_fails)
{
    struct selfish s = {.returns = EVF_READY};
    struct probe probe;

    probe_init(&probe);
    evf_future_init(&s.future, &selfish_ops);
    ck_assert_int_eq(poll_with(&s.future, &probe, NULL), EVF_READY);
    ck_assert_misuse(1);
    ck_assert_int_eq(evf_future_take(&s.future), -EINVAL);
    evf_future_drop(&s.future);
}
END_TEST

TEST_MAIN("misuse", handler_gets_the_message_once,
    latest_handler_is_the_only_one,
    default_handler_aborts_in_a_debug_build_and_is_silent_otherwise,
    poll_after_ready_is_misuse_and_leaves_the_result_alone,
    drop_in_ones_own_poll_is_misuse_without_effect,
    poll_in_ones_own_poll_is_misuse_without_effect,
    poll_and_drop_in_ones_own_drop_are_misuse_without_effect,
    ready_without_a_result_is_misuse_and_fails)
