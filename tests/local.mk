# SPDX-License-Identifier: BSD-3-Clause

# --- Unit tests: a Check program for each concept -------------------------

# They link the objects, not the shared library, and so reach its internals.
unit_tests = \
	tests/test-alloc \
	tests/test-await-rule \
	tests/test-block-on \
	tests/test-channel \
	tests/test-channel-end \
	tests/test-channel-model \
	tests/test-completer \
	tests/test-connect \
	tests/test-connect-list \
	tests/test-context \
	tests/test-deadline \
	tests/test-dump \
	tests/test-end \
	tests/test-end-container \
	tests/test-end-maker \
	tests/test-end-matrix \
	tests/test-entry \
	tests/test-entry-end \
	tests/test-executor \
	tests/test-executor-free \
	tests/test-faults \
	tests/test-faults-accept \
	tests/test-faults-event \
	tests/test-frame \
	tests/test-frame-cancel \
	tests/test-frame-end \
	tests/test-frame-storage \
	tests/test-frame-trace \
	tests/test-future \
	tests/test-group \
	tests/test-group-inside \
	tests/test-group-matrix \
	tests/test-in-vain \
	tests/test-interest \
	tests/test-interest-host \
	tests/test-interest-waker \
	tests/test-interval \
	tests/test-join \
	tests/test-join-task \
	tests/test-list \
	tests/test-listen \
	tests/test-listener \
	tests/test-message \
	tests/test-message-control \
	tests/test-message-datagram \
	tests/test-misuse \
	tests/test-op \
	tests/test-reactor \
	tests/test-read \
	tests/test-read-file \
	tests/test-reader \
	tests/test-reader-call \
	tests/test-reader-free \
	tests/test-reader-memory \
	tests/test-room \
	tests/test-select \
	tests/test-shield \
	tests/test-sleep \
	tests/test-socket \
	tests/test-socket-callback \
	tests/test-steady \
	tests/test-task \
	tests/test-task-cancel \
	tests/test-timeout \
	tests/test-turn \
	tests/test-turn-host \
	tests/test-turn-matrix \
	tests/test-wait-fd \
	tests/test-wait-fd-executor \
	tests/test-wait-fd-host \
	tests/test-wait-fd-signals \
	tests/test-waker \
	tests/test-waker-acts \
	tests/test-wheel \
	tests/test-wheel-model \
	tests/test-write \
	tests/test-write-file \
	tests/test-yield

# Check programs that take longer: not under Valgrind, where they take hours.
long_tests = \
	tests/crowd \
	tests/fuzz

# Check programs that are not named after a concept.
wide_tests = \
	tests/sweep

tests_crowd_SOURCES = \
	tests/crowd-client.c \
	tests/crowd.c \
	tests/crowd.h

tests_fuzz_SOURCES = \
	tests/fuzz-act.c \
	tests/fuzz-act.h \
	tests/fuzz-check.c \
	tests/fuzz-leaf.c \
	tests/fuzz-leaf.h \
	tests/fuzz-link.c \
	tests/fuzz-link.h \
	tests/fuzz-root.c \
	tests/fuzz-root.h \
	tests/fuzz-tree.c \
	tests/fuzz-tree.h \
	tests/fuzz-world.c \
	tests/fuzz-world.h \
	tests/fuzz-wrap.c \
	tests/fuzz.c

tests_sweep_SOURCES = \
	tests/sweep-bridge.c \
	tests/sweep-core.c \
	tests/sweep-row.h \
	tests/sweep-run.c \
	tests/sweep-run.h \
	tests/sweep-socket.c \
	tests/sweep-stream.c \
	tests/sweep-task.c \
	tests/sweep-world.c \
	tests/sweep.c

# The calls that tests/faults.c can make fail, for the programs that do.
faults_ldflags = $(AM_LDFLAGS) \
	-Wl,--wrap=accept4 \
	-Wl,--wrap=bind \
	-Wl,--wrap=connect \
	-Wl,--wrap=event_add \
	-Wl,--wrap=event_base_foreach_event \
	-Wl,--wrap=event_del \
	-Wl,--wrap=fcntl \
	-Wl,--wrap=fstat \
	-Wl,--wrap=getsockopt \
	-Wl,--wrap=listen \
	-Wl,--wrap=memmem \
	-Wl,--wrap=poll \
	-Wl,--wrap=read \
	-Wl,--wrap=recv \
	-Wl,--wrap=recvmsg \
	-Wl,--wrap=send \
	-Wl,--wrap=sendmsg \
	-Wl,--wrap=setsockopt \
	-Wl,--wrap=socket \
	-Wl,--wrap=writev

tests_test_faults_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-faults.c
tests_test_faults_LDFLAGS = $(faults_ldflags)

tests_test_faults_accept_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-faults-accept.c
tests_test_faults_accept_LDFLAGS = $(faults_ldflags)

tests_test_faults_event_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-faults-event.c
tests_test_faults_event_LDFLAGS = $(faults_ldflags)

tests_test_in_vain_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-in-vain.c
tests_test_in_vain_LDFLAGS = $(faults_ldflags)

tests_test_listener_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-listener.c
tests_test_listener_LDFLAGS = $(faults_ldflags)

tests_test_message_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-message.c
tests_test_message_LDFLAGS = $(faults_ldflags)

tests_test_read_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-read.c
tests_test_read_LDFLAGS = $(faults_ldflags)

tests_test_read_file_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-read-file.c
tests_test_read_file_LDFLAGS = $(faults_ldflags)

tests_test_write_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-write.c
tests_test_write_LDFLAGS = $(faults_ldflags)

tests_test_write_file_SOURCES = \
	tests/faults.c \
	tests/faults.h \
	tests/test-write-file.c
tests_test_write_file_LDFLAGS = $(faults_ldflags)

tests_libsupport_la_SOURCES = \
	tests/actor.c \
	tests/actor.h \
	tests/channel-support.h \
	tests/docs-harness.h \
	tests/foreign.c \
	tests/foreign.h \
	tests/job.h \
	tests/message-support.h \
	tests/reader-support.h \
	tests/sockets.c \
	tests/sockets.h \
	tests/support.c \
	tests/support.h

# For every program that names no libraries of its own: the Check programs.
LDADD = \
	tests/libsupport.la \
	libevfuture-internal.la \
	$(LIBEVENT_CORE_LIBS) \
	$(CHECK_LIBS)

# --- Usage programs: what a user would write ------------------------------

# `make check` links them to the library of the build, `make installcheck`
# compiles each of them anew with what pkg-config says of the installed one.
usage_programs = \
	tests/usage/by-hand \
	tests/usage/callbacks \
	tests/usage/deadline \
	tests/usage/drain \
	tests/usage/echo \
	tests/usage/host-fd \
	tests/usage/periodic

if HAVE_LIBEVENT_EXTRA
usage_programs += \
	tests/usage/dial \
	tests/usage/http
endif

usage_libs = libevfuture.la $(LIBEVENT_CORE_LIBS)
tests_usage_by_hand_LDADD = $(usage_libs)
tests_usage_callbacks_LDADD = $(usage_libs)
tests_usage_deadline_LDADD = $(usage_libs)
tests_usage_dial_LDADD = $(LIBEVENT_EXTRA_LIBS) $(usage_libs)
tests_usage_drain_LDADD = $(usage_libs)
tests_usage_echo_LDADD = $(usage_libs)
tests_usage_host_fd_LDADD = $(usage_libs)
tests_usage_http_LDADD = $(LIBEVENT_EXTRA_LIBS) $(usage_libs)
tests_usage_periodic_LDADD = $(usage_libs)

# --- Scripts --------------------------------------------------------------

script_tests = \
	tests/check-exports \
	tests/compile/run \
	tests/docs.sh

# The example programs against real clients.
example_tests = \
	tests/examples/callback-to-future.sh \
	tests/examples/chapter.sh \
	tests/examples/echo-server.sh \
	tests/examples/line-chat.sh \
	tests/examples/retrofit.sh

# --- Running them ---------------------------------------------------------

if HAVE_CHECK
check_LTLIBRARIES += tests/libsupport.la
check_PROGRAMS += $(unit_tests) $(wide_tests) $(long_tests) $(usage_programs)
TESTS += \
	$(unit_tests) \
	$(wide_tests) \
	$(long_tests) \
	$(usage_programs) \
	$(script_tests) \
	$(example_tests)
endif

TEST_EXTENSIONS = .sh
SH_LOG_COMPILER = bash

AM_TESTS_ENVIRONMENT = \
	EXAMPLES_DIR='$(abs_top_builddir)/examples'; export EXAMPLES_DIR; \
	EVF_LIBDIR='$(abs_top_builddir)/.libs'; export EVF_LIBDIR; \
	EVF_SRCDIR='$(abs_top_srcdir)'; export EVF_SRCDIR; \
	EVF_CC='$(CC)'; export EVF_CC; \
	EVF_CFLAGS='$(CFLAGS) $(EVF_LDFLAGS)'; export EVF_CFLAGS; \
	EVF_CPPFLAGS='$(CPPFLAGS) $(LIBEVENT_CORE_CFLAGS)'; \
	export EVF_CPPFLAGS;

check-local:
if HAVE_CHECK
else
	@echo "make check: configure found no Check >= 0.11" >&2; exit 1
endif

# Adds up what the Check programs of the last `make check` wrote.
check-sum:
	@$(SHELL) $(srcdir)/tests/sum-checks $(TEST_LOGS)

# The same after a `make check`, whatever came of that.
check-summed:
	@status=0; \
	$(MAKE) $(AM_MAKEFLAGS) check || status=1; \
	$(MAKE) $(AM_MAKEFLAGS) -s --no-print-directory check-sum || status=1; \
	exit $$status

check-examples:
	@$(MAKE) $(AM_MAKEFLAGS) check-summed TESTS='$(example_tests)'

check-long:
	@EVF_FUZZ_SEEDS=10000; export EVF_FUZZ_SEEDS; \
	CK_TIMEOUT_MULTIPLIER=100; export CK_TIMEOUT_MULTIPLIER; \
	$(MAKE) $(AM_MAKEFLAGS) check-summed TESTS=tests/fuzz

check-valgrind:
	@CK_TIMEOUT_MULTIPLIER=20; export CK_TIMEOUT_MULTIPLIER; \
	$(MAKE) $(AM_MAKEFLAGS) check-summed \
	    TESTS='$(unit_tests) $(wide_tests) $(usage_programs)' \
	    LOG_COMPILER='$(LIBTOOL) --mode=execute $(VALGRIND)'

VALGRIND = valgrind --quiet --error-exitcode=99 --leak-check=full \
	--errors-for-leak-kinds=definite,indirect --num-callers=24

# Every one-line sabotage of the library must be seen by its test.  One mutant:
# make mutants MUTANTS=core-yield
mutants: libevfuture-internal.la $(check_LTLIBRARIES) $(check_PROGRAMS)
	@EVF_SRCDIR='$(abs_top_srcdir)' \
	EVF_COMPILE='$(MUTANT_COMPILE)' \
	EVF_LINK='$(CCLD) $(AM_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS)' \
	EVF_LIBS='$(LIBEVENT_CORE_LIBS) $(CHECK_LIBS) $(LIBS)' \
	$(abs_top_srcdir)/tests/mutants/run $(MUTANTS)

MUTANT_COMPILE = $(CC) $(DEFS) $(CPPFLAGS) $(LIBEVENT_CORE_CFLAGS) \
	$(CHECK_CPPFLAGS) $(AM_CFLAGS) $(CFLAGS)

installcheck-local:
	@DESTDIR='$(DESTDIR)' pkgconfigdir='$(pkgconfigdir)' libdir='$(libdir)' \
	PKG_CONFIG='$(PKG_CONFIG)' CC='$(CC)' USAGE_CFLAGS='$(USAGE_CFLAGS)' \
	$(SHELL) $(srcdir)/tests/installcheck $(srcdir)/tests/usage

EXTRA_DIST += \
	tests/abi/libevfuture.sigs \
	tests/check-exports \
	tests/compile/run \
	tests/docs.sh \
	tests/installcheck \
	tests/mutants/run \
	tests/sum-checks

# What is many files; not the directories themselves, where a build leaves
# objects and logs.
DIST_GLOBS = \
	tests/compile/*.c \
	tests/examples/*.sh \
	tests/mutants/*.mutant

dist-hook:
	@cd $(srcdir) && files=`echo $(DIST_GLOBS)` && \
	cd $(abs_builddir) && for file in $$files; do \
	    $(MKDIR_P) $(distdir)/`dirname $$file` && \
	    cp -p $(srcdir)/$$file $(distdir)/$$file || exit 1; \
	done

.PHONY: check-examples check-long check-sum check-summed check-valgrind \
	mutants
