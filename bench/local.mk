# SPDX-License-Identifier: BSD-3-Clause
#
# `make bench` builds these and prints one table; see bench/README.md.
#
#     make bench                        everything that the table has
#     make bench SECTIONS="idle cpu"    some of it
#
# Nothing here is built or run otherwise.

bench_binaries = \
	bench/echo-bufferevent \
	bench/echo-epoll \
	bench/echo-evfuture \
	bench/echo-libevent \
	bench/load \
	bench/micro

EXTRA_PROGRAMS += $(bench_binaries)
CLEANFILES += $(bench_binaries)

bench_echo_bufferevent_SOURCES = \
	bench/echo-bufferevent.c bench/serve.c bench/serve.h
bench_echo_bufferevent_LDADD = $(LIBEVENT_CORE_LIBS)

bench_echo_epoll_SOURCES = bench/echo-epoll.c bench/serve.c bench/serve.h
bench_echo_epoll_LDADD =

# Linked with the shared library, as a user's program is, but run as it is:
# libtool's wrapper script would be what the tools measure.
bench_echo_evfuture_SOURCES = bench/echo-evfuture.c bench/serve.c bench/serve.h
bench_echo_evfuture_LDADD = libevfuture.la $(LIBEVENT_CORE_LIBS)
bench_echo_evfuture_LDFLAGS = $(AM_LDFLAGS) -no-install

bench_echo_libevent_SOURCES = bench/echo-libevent.c bench/serve.c bench/serve.h
bench_echo_libevent_LDADD = $(LIBEVENT_CORE_LIBS)

bench_load_SOURCES = bench/load.c
bench_load_LDADD =

bench_micro_SOURCES = \
	bench/micro.c \
	bench/micro.h \
	bench/micro-evfuture.c \
	bench/micro-libevent.c
bench_micro_LDADD = libevfuture.la $(LIBEVENT_CORE_LIBS)
bench_micro_LDFLAGS = $(AM_LDFLAGS) -no-install

EXTRA_DIST += \
	bench/README.md \
	bench/callgrind.sh \
	bench/run \
	bench/table.sh \
	bench/time.sh

bench: $(bench_binaries)
	BENCH_BIN=$(abs_builddir)/bench $(srcdir)/bench/run $(SECTIONS)

.PHONY: bench
