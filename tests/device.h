/* For every test that needs a device: one context with validation on, and the check that validation stayed silent.
 *
 *     static int setup(void **state) { return test_device_setup(state); }
 *     static int teardown(void **state) { return test_device_teardown(state); }
 *     static void test_x(void **state) { pnb_gpu *gpu = test_gpu(state); ... }
 *     return cmocka_run_group_tests(tests, setup, teardown);
 *
 * A machine without a device fails. The environment decides which device (VK_ICD_FILENAMES, PENUMBRA_DEVICE). */
#ifndef PNB_TESTS_DEVICE_H
#define PNB_TESTS_DEVICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gpu/gpu.h"

typedef struct test_device {
    pnb_gpu *gpu;
    pnb_error err;
} test_device;

/* A pnb_gpu with validation where it is installed and no cache on disk. On failure prints the sentence and returns NULL. */
static inline pnb_gpu *test_gpu_create_as(pnb_error *err, bool as_hardware) {
    pnb_gpu *gpu = NULL;
    pnb_gpu_params params = {.validate = pnb_gpu_has_validation(), .cache_dir = "", .as_hardware = as_hardware};
    if (pnb_gpu_create(&params, err, &gpu) != PNB_OK) fprintf(stderr, "no device: %s\n", err->message);
    return gpu;
}

static inline pnb_gpu *test_gpu_create(pnb_error *err) { return test_gpu_create_as(err, false); }

/* Destroys the context; 0 if validation had nothing to say, otherwise prints the first message and gives -1. */
static inline int test_gpu_destroy(pnb_gpu **gpu) {
    uint64_t messages = pnb_gpu_get_stats(*gpu).validation_messages;
    if (messages) fprintf(stderr, "%llu validation messages: %s\n", (unsigned long long)messages, pnb_gpu_validation_text(*gpu));
    pnb_gpu_destroy(gpu);
    return messages ? -1 : 0;
}

static inline int test_device_setup_as(void **state, bool as_hardware) {
    test_device *d = calloc(1, sizeof *d);
    if (!d) return -1;
    d->gpu = test_gpu_create_as(&d->err, as_hardware);
    *state = d;
    return d->gpu ? 0 : -1;
}

static inline int test_device_setup(void **state) { return test_device_setup_as(state, false); }
static inline int test_hardware_setup(void **state) { return test_device_setup_as(state, true); } /* kernels as for a GPU */

static inline int test_device_teardown(void **state) {
    test_device *d = *state;
    int result = d && d->gpu ? test_gpu_destroy(&d->gpu) : -1;
    free(d);
    return result;
}

static inline pnb_gpu *test_gpu(void **state) { return ((test_device *)*state)->gpu; }
static inline pnb_error *test_err(void **state) { return &((test_device *)*state)->err; }

/* Fails the test with the sentence of err where a call did not succeed. */
#define TEST_OK(err, call)                                                                                             \
    do {                                                                                                               \
        if ((call) != PNB_OK) fail_msg("%s: %s", #call, (err)->message);                                               \
    } while (0)

#endif
