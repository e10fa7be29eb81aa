/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_H
#define EVFUTURE_H

/* All of evfuture, in the order in which to read it. */
#include <evfuture/export.h>
#include <evfuture/future.h>
#include <evfuture/waker.h>
#include <evfuture/context.h>
#include <evfuture/frame.h>
#include <evfuture/executor.h>
#include <evfuture/task.h>
#include <evfuture/time.h>
#include <evfuture/combine.h>
#include <evfuture/group.h>
#include <evfuture/completer.h>
#include <evfuture/channel.h>
#include <evfuture/reactor.h>
#include <evfuture/socket.h>
#include <evfuture/listener.h>
#include <evfuture/message.h>
#include <evfuture/reader.h>
#include <evfuture/misuse.h>
#include <evfuture/alloc.h>

#endif
