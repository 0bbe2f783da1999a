/* What the shared checkpoints should hold, by their expect.json. Include after cmocka.h and io/files.h. */
#ifndef PNB_TESTS_IO_CHECKPOINTS_H
#define PNB_TESTS_IO_CHECKPOINTS_H

#include "io/tensor_file.h"

#include <cjson/cJSON.h>
#include <math.h>

#define CHECKPOINTS PNB_SHARED_DIR "/fixtures/checkpoints/"

/* The document; the caller deletes it. */
static inline cJSON *checkpoints_expected(void) {
    size_t n;
    char *text = (char *)get_bytes(CHECKPOINTS "expect.json", &n);
    cJSON *root = cJSON_ParseWithLength(text, n);
    assert_non_null(root);
    free(text);
    return root;
}

/* Shape, sums and first values (read as doubles) of one tensor against its entry of the document. */
static inline void compare_expected(const cJSON *want, uint32_t rank, const uint64_t *dims, uint64_t count,
                                  const double *v) {
    const cJSON *shape = cJSON_GetObjectItem(want, "shape"), *first = cJSON_GetObjectItem(want, "first");
    double sum = 0, abs_sum = 0;
    assert_int_equal(rank, cJSON_GetArraySize(shape));
    for (uint32_t d = 0; d < rank; d++) assert_true((double)dims[d] == cJSON_GetArrayItem(shape, (int)d)->valuedouble);
    for (uint64_t i = 0; i < count; i++) {
        sum += v[i];
        abs_sum += fabs(v[i]);
        if (i < (uint64_t)cJSON_GetArraySize(first))
            assert_true(v[i] == cJSON_GetArrayItem(first, (int)i)->valuedouble);
    }
    assert_true(fabs(sum - cJSON_GetObjectItem(want, "sum")->valuedouble) <= 1e-6 * (1 + abs_sum));
    assert_true(fabs(abs_sum - cJSON_GetObjectItem(want, "abs_sum")->valuedouble) <= 1e-6 * (1 + abs_sum));
}

#endif
