/* Names that newer standard libraries expect of libc. A process has one thread. */
#include "agentos.h"

int *__errno_location(void) { return &errno; }

int pthread_create(void *thread, const void *attr, void *(*start)(void *), void *arg) {
    (void)thread, (void)attr, (void)start, (void)arg;
    return EAGAIN;
}
int pthread_join(void *thread, void **result) {
    (void)thread, (void)result;
    return ESRCH;
}
int pthread_detach(void *thread) {
    (void)thread;
    return ESRCH;
}
int pthread_attr_init(void *attr) {
    (void)attr;
    return 0;
}
int pthread_attr_destroy(void *attr) {
    (void)attr;
    return 0;
}
int pthread_attr_setstacksize(void *attr, size_t size) {
    (void)attr, (void)size;
    return 0;
}
