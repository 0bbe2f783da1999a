/* Small problems with closed-form posteriors, shared by the tests of methods. */
#ifndef PNB_TESTS_SOLVE_TOY_H
#define PNB_TESTS_SOLVE_TOY_H

#include "device.h"

#include "measure/operator.h"
#include "prior/gmm_host.h"
#include "prior/prior.h"
#include "solve/solver.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* A mixture prior in 2-D and one linear measurement y = F x + n. */
typedef struct toy {
    const char *name;
    uint32_t n;
    double weights[25], means[50], covariances[100];
    double f[2], y, sigma;
} toy;

static inline void toy_isotropic(toy *t, double variance) {
    for (uint32_t i = 0; i < t->n; i++) {
        double c[4] = {variance, 0, 0, variance};
        memcpy(t->covariances + 4 * i, c, sizeof c);
    }
}

static inline void toy_rotated(double *c, double angle, double p, double q) {
    double s = sin(angle), k = cos(angle), a = p * p, b = q * q;
    c[0] = k * k * a + s * s * b;
    c[1] = c[2] = k * s * (a - b);
    c[3] = s * s * a + k * k * b;
}

/* algorithms.md section 5: T1 (ring of radius 4), T2 (5x5 grid), T3 (T1 with unequal weights and anisotropic parts);
 * the reference's ring8 and cross4. Returns 0 for an unknown name. */
static inline int toy_make(const char *name, toy *t) {
    const double pi = 3.14159265358979323846, half = sqrt(0.5);
    static const double t3_weights[8] = {1.5, 2, 2.5, 2, 1.5, 1, 1, 1};
    *t = (toy){.name = name};
    bool t3 = strcmp(name, "T3") == 0;
    if (strcmp(name, "T1") == 0 || t3 || strcmp(name, "ring8") == 0) {
        bool ring = strcmp(name, "ring8") == 0;
        t->n = 8;
        for (int i = 0; i < 8; i++) {
            double r = ring ? 1.4 : 4;
            t->weights[i] = ring ? (i == 1 ? 2 : 1) : t3 ? t3_weights[i] : 1;
            t->means[2 * i] = r * cos(i * pi / 4);
            t->means[2 * i + 1] = r * sin(i * pi / 4);
        }
        toy_isotropic(t, ring ? 0.0225 : 0.09);
        for (int i = 0; t3 && i < 8; i++) toy_rotated(t->covariances + 4 * i, 0.4 * i, 0.4, 0.2);
        t->f[0] = 1;
        t->y = ring ? 0.92 : 0;
        t->sigma = ring ? 0.1 : 0.3;
    } else if (strcmp(name, "T2") == 0) {
        t->n = 25;
        for (int i = 0; i < 25; i++) {
            t->weights[i] = 1;
            t->means[2 * i] = 2 * (i % 5) - 4;
            t->means[2 * i + 1] = 2 * (i / 5) - 4;
        }
        toy_isotropic(t, 0.04);
        t->f[0] = t->f[1] = half;
        t->sigma = 0.2;
    } else if (strcmp(name, "cross4") == 0) {
        static const double m[8] = {1.1, 1.1, -1.1, 1.1, -1.1, -1.1, 1.1, -1.1}, angle[4] = {0.3, 2.2, 1, -0.2};
        static const double p[4] = {0.35, 0.4, 0.35, 0.35}, q[4] = {0.15, 0.15, 0.15, 0.2};
        t->n = 4;
        memcpy(t->means, m, sizeof m);
        for (int i = 0; i < 4; i++) {
            t->weights[i] = i == 1 ? 1.5 : 1;
            toy_rotated(t->covariances + 4 * i, angle[i], p[i], q[i]);
        }
        t->f[0] = t->f[1] = half;
        t->y = 0.1;
        t->sigma = 0.2;
    } else {
        return 0;
    }
    return 1;
}

/* "type" operator over an image shape from JSON text, committed. */
static inline pnb_operator *toy_operator(pnb_gpu *gpu, pnb_error *err, const char *type, const char *args,
                                         pnb_shape image) {
    cJSON *json = cJSON_Parse(args);
    pnb_operator *op;
    assert_non_null(json);
    TEST_OK(err, pnb_operator_create(err, type, json, image, ".", &op));
    cJSON_Delete(json);
    TEST_OK(err, pnb_operator_commit(op, gpu));
    return op;
}

/* Options of a method by name, value pairs ending with NULL; resolved for the task. The caller frees. */
static inline void *toy_options(pnb_error *err, const pnb_method *m, const pnb_task *task, const char *const *pairs) {
    void *o = malloc(m->table.struct_bytes);
    bool given[256] = {false};
    assert_non_null(o);
    pnb_options_defaults(&m->table, o);
    for (; pairs && pairs[0]; pairs += 2) {
        const pnb_option *option = pnb_options_find(&m->table, pairs[0]);
        assert_non_null(option);
        given[option - m->table.options] = true;
        TEST_OK(err, pnb_options_set_text(err, pairs[0], option, o, pairs[1]));
    }
    if (m->resolve) m->resolve(task, given, o);
    return o;
}

static inline pnb_solver *toy_solver(pnb_error *err, const char *method, const pnb_task *task,
                                     const char *const *pairs) {
    const pnb_method *m = pnb_method_find(method);
    pnb_solver *s;
    assert_non_null(m);
    void *o = toy_options(err, m, task, pairs);
    TEST_OK(err, m->create(err, task, o, &s));
    free(o);
    return s;
}

static inline void toy_run(pnb_error *err, pnb_solver *s) {
    while (pnb_solver_step_index(s) < pnb_solver_steps(s)) TEST_OK(err, pnb_solver_step(s));
}

#endif
