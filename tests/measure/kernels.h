/* Filtering by a kernel, tap by tap in double, and kernels in files: for the tests of motion_blur and psf. */
#ifndef PNB_TESTS_MEASURE_KERNELS_H
#define PNB_TESTS_MEASURE_KERNELS_H

#include "measure/rig.h"

#include "device_and_folder.h"
#include "io/npy.h"
#include "ops/ops.h"

/* What the case asks for; the operator's inside is not looked at. */
static double ref_kernel[129 * 129];
static int ref_rows, ref_columns, ref_border;
static bool ref_flip;

static inline int ref_place(int q, int n) {
    if (ref_border == PNB_BORDER_ZERO) return q >= 0 && q < n ? q : -1;
    if (ref_border == PNB_BORDER_CIRCULAR) return ((q % n) + n) % n;
    q = abs(q);
    return q < n ? q : 2 * (n - 1) - q;
}

static inline double ref_pixel(const double *plane, int h, int w, int i, int j) {
    double sum = 0;
    for (int k = 0; k < ref_rows; k++) {
        for (int l = 0; l < ref_columns; l++) {
            int dy = k - ref_rows / 2, dx = l - ref_columns / 2;
            int row = ref_place(ref_flip ? i - dy : i + dy, h), column = ref_place(ref_flip ? j - dx : j + dx, w);
            if (row >= 0 && column >= 0) sum += ref_kernel[k * ref_columns + l] * plane[row * w + column];
        }
    }
    return sum;
}

static inline void ref_filter(const pnb_operator *op, const double *x, double *y) {
    pnb_shape s = pnb_operator_image_shape(op);
    int h = (int)s.d[1], w = (int)s.d[2];
    for (int i = 0; i < (int)s.d[0] * h * w; i++) y[i] = ref_pixel(x + i / (h * w) * h * w, h, w, i / w % h, i % w);
}

/* The reference's kernel, scaled to sum 1. */
static inline void ref_set(int rows, int columns, const float *values, bool flip) {
    double sum = 0;
    ref_rows = rows;
    ref_columns = columns;
    ref_flip = flip;
    for (int i = 0; i < rows * columns; i++) sum += values[i];
    for (int i = 0; i < rows * columns; i++) ref_kernel[i] = values[i] / sum;
}

/* A kernel in a file of the test's folder; json: its arguments. */
static inline void ref_write(const char *name, int rows, int columns, const float *values, const char *boundary, char *json, size_t bytes) {
    pnb_error err = {0};
    uint64_t shape[2] = {(uint64_t)rows, (uint64_t)columns};
    TEST_OK(&err, pnb_npy_write(&err, in_folder(name), 2, shape, values));
    snprintf(json, bytes, "{\"file\": \"%s\", \"boundary\": \"%s\"}", in_folder(name), boundary);
}

#endif
