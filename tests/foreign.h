/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FOREIGN_H
#define FOREIGN_H

#include <evfuture/context.h>
#include <sys/queue.h>

/*
 * An executor that is not the library's: a queue of tasks that were woken, and
 * neither a loop nor a clock. It knows futures by their public header alone,
 * and so tells whether a future needs more of its executor than that. (F40)
 *
 *     struct foreign on = FOREIGN_INITIALIZER(on);
 *     struct foreign_task task;
 *
 *     foreign_spawn(&on, &task, future);
 *     foreign_run(&on);
 *     ck_assert(task.ended);
 *     ck_assert_int_eq(task.result, 0);
 *     foreign_end(&task);
 *     ck_assert_uint_eq(task.wakers, 0);
 */
struct foreign_task {
    struct foreign *on;
    evf_future *future;
    bool ended;
    intptr_t result; /* once it has ended by itself; then the test's */
    bool queued;
    unsigned polls;
    unsigned wakers; /* clones that are out; the task must outlive them */
    TAILQ_ENTRY(foreign_task) link;
};

TAILQ_HEAD(foreign, foreign_task);
#define FOREIGN_INITIALIZER(on) TAILQ_HEAD_INITIALIZER(on)

/* Takes the future, and queues its first poll. The task is the caller's. */
void foreign_spawn(struct foreign *on, struct foreign_task *task,
    evf_future *future);

/* Polls in the order of the wakes until nobody is queued. */
void foreign_run(struct foreign *on);

/* Drops the future, if it has not ended. Not from inside its poll. */
void foreign_end(struct foreign_task *task);

#endif
