# SPDX-License-Identifier: BSD-3-Clause
#
# The examples are built by default and not installed.  A new one is one line
# in the list, and its libraries below if it needs more than its file's name.

example_programs = \
	examples/01-chapter \
	examples/02-echo-server \
	examples/04-line-chat \
	examples/retrofit-backend \
	examples/retrofit-callbacks \
	examples/retrofit-converted

if HAVE_LIBEVENT_EXTRA
example_programs += \
	examples/03-callback-to-future
endif

noinst_PROGRAMS += $(example_programs)

examples_01_chapter_LDADD = libevfuture.la $(LIBEVENT_CORE_LIBS)
examples_02_echo_server_LDADD = libevfuture.la $(LIBEVENT_CORE_LIBS)
examples_03_callback_to_future_LDADD = libevfuture.la \
	$(LIBEVENT_EXTRA_LIBS) $(LIBEVENT_CORE_LIBS)
examples_04_line_chat_LDADD = libevfuture.la $(LIBEVENT_CORE_LIBS)

# The same gateway twice, and a backend to talk to.
examples_retrofit_backend_SOURCES = \
	examples/retrofit/backend.c
examples_retrofit_backend_LDADD = $(LIBEVENT_CORE_LIBS)
examples_retrofit_callbacks_SOURCES = \
	examples/retrofit/callbacks.c
examples_retrofit_callbacks_LDADD = $(LIBEVENT_CORE_LIBS)
examples_retrofit_converted_SOURCES = \
	examples/retrofit/converted.c
examples_retrofit_converted_LDADD = libevfuture.la $(LIBEVENT_CORE_LIBS)
