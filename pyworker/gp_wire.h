/* Generated from prefork/wire by cmd/gendocs; do not edit. The specification is prefork/wire/PROTOCOL.md. */
#ifndef GP_WIRE_H
#define GP_WIRE_H

#define GP_WIRE_VERSION 1
#define GP_WIRE_HEADER_SIZE 16

#define GP_MAX_PACKET 65536
#define GP_MAX_FRAME 1048576
#define GP_MAX_PAYLOAD_FD 4194304
#define GP_MAX_FDS 250

#define GP_FD_CONTROL 3
#define GP_FD_QUEUE 4
#define GP_FD_SCOREBOARD 5

#define GP_KIND_REQUEST 1
#define GP_KIND_HELLO 16
#define GP_KIND_HEAD 17
#define GP_KIND_BODY 18
#define GP_KIND_FILE 19
#define GP_KIND_INTERIM 20
#define GP_KIND_ABORT 21
#define GP_KIND_LOADED 33
#define GP_KIND_FORKED 34
#define GP_KIND_EXITED 35
#define GP_KIND_LOG 36
#define GP_KIND_BOOT_FAILED 37
#define GP_KIND_READY 38
#define GP_KIND_RETIRING 39
#define GP_KIND_STACKS 40
#define GP_KIND_BOOT 48
#define GP_KIND_FORK 49
#define GP_KIND_EXIT 50
#define GP_KIND_STOP 52
#define GP_KIND_DUMP 53

#define GP_FLAG_END 1
#define GP_FLAG_BODY_FD 2
#define GP_FLAG_PAYLOAD_FD 4

#define GP_ABORT_RAISED 1
#define GP_ABORT_PROTOCOL 2
#define GP_ABORT_EXIT 3
#define GP_ABORT_GONE 4

#define GP_RETIRE_MAX_REQUESTS 1
#define GP_RETIRE_APP_EXIT 2
#define GP_RETIRE_STOPPED 3

#define GP_LEVEL_DEBUG 10
#define GP_LEVEL_INFO 20
#define GP_LEVEL_WARNING 30
#define GP_LEVEL_ERROR 40
#define GP_LEVEL_CRITICAL 50

#define GP_SLOT_STATE_FREE 0
#define GP_SLOT_STATE_QUEUED 1
#define GP_SLOT_STATE_RUNNING 2
#define GP_SLOT_STATE_DONE 3
#define GP_SLOT_STATE_CANCELLED 4

#define GP_SLOT_WORD 0
#define GP_SLOT_STARTED 8
#define GP_SLOT_ENDED 16
#define GP_SLOT_CPU 24
#define GP_SLOT_PID 32
#define GP_SLOT_THREAD 36
#define GP_SLOT_ABANDONED 40
#define GP_SLOT_DELAY 48
#define GP_SLOT_SIZE 64

#endif
