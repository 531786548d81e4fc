/*
 * gp_internal.h: what the gp_*.c files of the serve loop share. Everything is declared with the file that defines it; unless a
 * comment says otherwise the caller holds the GIL.
 */
#ifndef GP_INTERNAL_H
#define GP_INTERNAL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "gounicorn_py.h"
#include "gp_keys.h"
#include "gp_wire.h"

enum {
    GP_MAX_THREADS = GP_MAX_FDS - 5, /* one FORK packet carries control, stdout, stderr, a queue, a tray and a stream per thread */
    GP_PIECE = GP_TRAY_PLACE_SIZE,   /* bytes of body in one frame; between two pieces the client is looked for */
    GP_PARTS = 62,                   /* items of a body that are sent in one frame */
    GP_KEPT = 32768,                 /* bytes of answers that are kept to be sent together */
    GP_BRIEF = 50000,                /* nanoseconds; of requests that share a packet, what ran for less is next to nothing */
    GP_COPY = 32768,                 /* a body up to this size is copied behind its head and sent by one plain send */
    GP_MAX_HEAD = 262144,            /* bytes of an encoded response head */
    GP_BASE_KEYS = 16,               /* the keys below this number may have a value in the prototype */
    GP_ROUTES = 64,                  /* names of routes that a thread knows by their object */
};

/* Ends a blocking receive. Real-time, so that neither Python, Go nor an application has a use for it. */
#define GP_WAKE_SIGNAL (SIGRTMIN + 6)
/* Raises SoftTimeout on the main thread. */
#define GP_SOFT_SIGNAL (SIGRTMIN + 8)

/* How the response of one request ended. */
typedef enum {
    GP_DONE,     /* the frame with END was sent */
    GP_RAISED,   /* a Python exception is set */
    GP_PROTOCOL, /* the application broke PEP 3333; the reason was logged */
    GP_GONE,     /* the client had left */
    GP_BROKEN,   /* the stream is closed: nothing can be sent any more */
} gp_outcome;

/* A wake-up signal goes only to threads whose state is GP_WAITING; while it is sent the state is GP_POKED. */
enum { GP_RUNNING = 0, GP_WAITING = 1, GP_POKED = 2 };

/* The soft limit of the request that a thread runs: may be told, was told, has been raised; or none may be told (any more). */
typedef enum { GP_SOFT_CLOSED, GP_SOFT_OPEN, GP_SOFT_PENDING, GP_SOFT_RAISED } gp_soft;

/* A name of a route whose hash is known. */
typedef struct {
    PyObject *name_ref;
    uint64_t hash;
} gp_route_entry;

/* A callable that a request hands to the application: start_response, write or early_hints. It is valid while serial equals the
 * thread's; a handle that outlives its request does nothing any more. Handles that nobody kept are used again. */
typedef struct gp_thread gp_thread;
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    gp_thread *thread;
    uint64_t serial;
} gp_handle;

/* One thread of serve(). The memory is part of gp_w and never freed, so that a handle can always look at it. */
struct gp_thread {
    atomic_int waiting;
    bool serving; /* guarded by gp_w.lock */
    pthread_t self;
    unsigned long ident; /* as Python counts */
    uint32_t tid;
    uint32_t index;
    int queue, stream;
    bool broken;  /* the stream cannot be written any more */
    bool sending; /* a send runs without the GIL */
    bool eager;   /* the last request was waiting already: try to receive without giving up the GIL */

    char *packet;        /* GP_MAX_PACKET bytes, reused */
    const char *frame;     /* the frame of the packet that is served */
    const char *frame_end; /* where the next one begins */
    char *large_payload; /* of a request that came by descriptor, until it ends */
    char *head;          /* frame header and response head, then perhaps body */
    size_t head_len, head_cap;

    /* a packet of several requests, see gp_pack.c */
    atomic_uint_fast64_t step; /* a number for the request of such a packet that runs; 0: none does */
    atomic_bool kept_locked;   /* guards what follows; the serving thread alone may read it without */
    bool more;                 /* the packet has another request behind this one */
    bool told;                 /* the master knows that it waits */
    bool keeps;                /* answers may be kept */
    char *kept;                /* GP_KEPT bytes: answers that have not been sent */
    size_t kept_len;
    uint64_t kept_at;          /* when the first one was ready */

    /* the request that runs; serial is 0 between requests */
    uint64_t serial, last_serial;
    uint32_t slot, generation;
    uint64_t started_at, ended_at, cpu_at;
    uint64_t delay_at, delay_read_at; /* run-queue wait so far, and when it was read */
    int schedstat;                    /* where it is read; -1: nowhere */
    gp_soft soft;
    int nice;     /* between requests */
    bool lowered; /* the nice value is another one now */
    PyObject *environ; /* borrowed */
    const char *method, *uri; /* into the payload, latin-1, not terminated */
    size_t method_len, uri_len;
    bool is_head, http10;
    bool may_borrow; /* the master may lend the client's connection */

    /* its response */
    unsigned status;
    bool started;   /* start_response was called */
    bool head_sent;
    bool ended;     /* END or ABORT was sent */
    bool bodyless;  /* HEAD, 1xx, 204, 304 */
    bool gone;      /* write() found that the client had left */
    bool cut;       /* more came than Content-Length allows */
    int64_t content_length; /* -1: not announced */
    uint64_t sent;

    /* owned references */
    gp_handle *start_ref, *write_ref, *hints_ref;
    PyObject *proto_ref; /* environ of a request before its own entries */
    PyObject *spare_ref; /* a copy of proto_ref made while nobody waited, or NULL */
    PyObject *input_ref; /* wsgi.input of the request that runs, or NULL */
    PyObject *status_ref, *headers_ref; /* what start_response got, when gp_w.end_ref wants it; else NULL */
    gp_route_entry route[GP_ROUTES];
    PyObject *cache_ref[GP_KEY_COUNT]; /* the last value of a key, for keys that seldom change */
    PyObject *base_ref[GP_BASE_KEYS];  /* the values that proto_ref has for the keys that every request brings; NULL: none */
};

/* The one configured worker of the process: everything that is not a local variable. */
typedef struct {
    bool configured, atfork;
    pid_t pid;
    uint32_t id;
    int slow_nice; /* how much nicer a thread becomes for a request that computes for long */
    int queue, own_queue, control; /* own_queue: of the spare threads, or -1: every thread reads queue */
    sigset_t mask;                 /* of serving threads; a thread that Go starts would inherit one that blocks everything */
    uint64_t max_requests;
    unsigned char *board;
    size_t board_size;
    unsigned char *tray; /* shared with the master alone; NULL: there is none */
    uint32_t slots;
    pthread_mutex_t lock; /* guards serving of every thread, and that its pthread_t is alive while it is set */
    atomic_int stopping, serving, retired, failed, forked;
    atomic_uint used; /* threads that ever served have an index below this */
    atomic_uint_fast64_t started;
    atomic_uint warned; /* bits of what was warned of once */
    PyObject *app_ref, *proto_ref, *format_exception_ref;
    PyObject *key_ref[GP_KEY_COUNT];
    bool cached[GP_KEY_COUNT]; /* keys whose last value a thread keeps */
    PyObject *input_key_ref, *hints_key_ref, *route_key_ref, *empty_input_ref;
    PyObject *soft_timeout_ref; /* the class, or NULL */
    PyObject *begin_ref, *end_ref; /* what runs around each request, or NULL */
    PyObject *report_ref; /* logs an exception of the application in place of the master, or NULL */
    PyTypeObject *start_type_ref, *write_type_ref, *hints_type_ref, *input_type_ref, *wrapper_type_ref;
    PyTypeObject *fileio_type_ref, *reader_type_ref, *random_type_ref;
    gp_thread thread[GP_MAX_THREADS];
} gp_worker;

extern gp_worker gp_w;

/* gp_wire is little-endian; so is every platform we build for, which gp_frame.c checks. */
static inline uint16_t gp_get16(const char *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t gp_get32(const char *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t gp_get64(const char *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }
static inline void gp_put16(char *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void gp_put32(char *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void gp_put64(char *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/* gp_slot.c */
void gp_slot_thread(gp_thread *t);
void gp_slot_thread_end(gp_thread *t);
int gp_slot_start(gp_thread *t, uint32_t slot, uint32_t generation);
void gp_slot_finish(gp_thread *t);
bool gp_slot_abandoned(const gp_thread *t);

/* gp_frame.c */
int gp_send_hello(gp_thread *t);
int gp_send_first(gp_thread *t, const struct iovec *body, int count, size_t size, bool end);
int gp_send_body(gp_thread *t, const char *data, size_t size, bool end);
int gp_send_end(gp_thread *t);
int gp_send_file(gp_thread *t, int fd, uint64_t offset, uint64_t length);
int gp_send_interim(gp_thread *t, char *frame, size_t size, unsigned status);
int gp_send_abort(gp_thread *t, unsigned cause);
int gp_send_raw(gp_thread *t, char *data, size_t size);
int gp_send_control(unsigned kind, unsigned aux, uint32_t a, const char *payload, size_t size);
void gp_check_fork(void);
_Noreturn void gp_lost_descriptor(const char *what);

/* gp_loan.c */
int gp_loan_use(gp_thread *t, const struct iovec *body, int count, size_t *sent);
void gp_loan_before_fork(void);
void gp_loan_after_fork(void);
void gp_loan_in_child(void);

/* gp_pack.c */
void gp_pack_begin(gp_thread *t, const char *end);
int gp_pack_keep(gp_thread *t, const struct iovec *parts, int count, size_t size);
int gp_pack_flush(gp_thread *t);
void gp_pack_end(gp_thread *t);

/* gp_tray.c */
int gp_tray_map(int fd);
int gp_tray_put(const struct iovec *parts, int count, size_t size);

/* gp_priority.c */
void gp_priority_thread(gp_thread *t);
void gp_priority_lower(gp_thread *t);
void gp_priority_restore(gp_thread *t);

/* gp_route.c */
uint64_t gp_route(gp_thread *t);
void gp_route_reset(void);
void gp_route_clear(gp_thread *t);

/* gp_hooks.c */
PyObject *gp_hook_begin(PyObject *env);
void gp_hook_keep(gp_thread *t, PyObject *status, PyObject *headers);
void gp_hook_forget(gp_thread *t);
int gp_hook_end(gp_thread *t, PyObject *request, PyObject *env, gp_outcome out);

/* gp_interrupt.c */
PyObject *gp_soft_signal(PyObject *module, PyObject *args);
void gp_soft_close(gp_thread *t);

/* gp_error.c */
void gp_log(unsigned level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gp_log_request(const gp_thread *t, unsigned level, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool gp_warn_once(unsigned bit);
PyObject *gp_take_exception(void);
bool gp_is_exit(PyObject *exception);
void gp_report(const gp_thread *t, const char *where, PyObject *exception);
enum { GP_WARN_BODY_HEAD = 16, GP_WARN_BODY_STATUS = 17, GP_WARN_TOO_LONG = 18 }; /* bits 0-15: hop-by-hop header names */

/* gp_environ.c */
int gp_environ_keys(void);
PyObject *gp_environ_prototype(PyObject *errors, PyObject *extra, const char *software, int multithread, int multiprocess);
int gp_environ_thread(gp_thread *t);
PyObject *gp_environ_build(gp_thread *t, const char *payload, size_t size, unsigned pairs, int *body_fd);
void gp_environ_spare(gp_thread *t);
void gp_environ_clear(gp_thread *t);

/* gp_socket.c */
PyObject *gp_socket(void);

/* gp_handle.c */
void gp_handles_begin(gp_thread *t);
int gp_handles_end(gp_thread *t);
int gp_handle_types(void);

/* gp_start_response.c */
PyObject *gp_start_response(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames);
PyObject *gp_early_hints(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames);

/* gp_input.c */
int gp_input_type(void);
PyObject *gp_input_bytes(const char *data, size_t size);
PyObject *gp_input_file(int fd, uint64_t size);
void gp_input_finish(PyObject *input);

/* gp_iterate.c */
PyObject *gp_write(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames);
gp_outcome gp_respond(gp_thread *t, PyObject *result);
gp_outcome gp_sent(gp_thread *t, int rc);

/* gp_file_wrapper.c */
int gp_wrapper_type(void);
int gp_wrapper_file(PyObject *wrapper, int *fd, uint64_t *offset, uint64_t *length);

/* gp_serve.c */
int gp_serve(uint32_t index, int stream);
void gp_retire(unsigned cause);
int gp_wake_install(void);

#endif
