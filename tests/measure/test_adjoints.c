/* What every operator of the registry must hold, over sizes odd and even, square and not, one channel and three, and vectors:
 * <A x, u> = <x, A^T u> to 1e-5, A A+ A = A where A+ exists, the gradient of the nonlinear ones against differences, and a sentence
 * where it refuses a size. An operator without a line in the table fails. */
#include "measure/observation.h"

#include "io/npy.h"
#include "io/spirv.h"

typedef struct operator_case {
    const char *type, *args;   /* '@' stands for the test's folder, whose files are made for each size */
    enum { LINEAR = 1, INVERSE = 2, WIENER = 4, VECTORS = 8, ONE_CHANNEL = 16, GLSL = 32 } traits;
    uint32_t divides;          /* both sides, or the size is refused; 0: any size */
    uint32_t least;            /* side, or the size is refused */
    const char *refusal;       /* the sentence then */
} operator_case;

#define CUSTOM PNB_SOURCE_DIR "/assets/custom/"
#define TELESCOPE "\"file\": \"@/obs.csv\", \"fov_uas\": 160, "

/* INVERSE: there is one, and it is exact; WIENER: there is one that is not. */
static const operator_case cases[] = {
    {"identity", "{}", LINEAR | INVERSE | VECTORS, 0, 0, NULL},
    {"mask_box", "{\"top\": 1, \"left\": 2, \"height\": 5, \"width\": 4}", LINEAR | INVERSE, 0, 0, NULL},
    {"mask", "{\"file\": \"@/mask.npy\"}", LINEAR | INVERSE | VECTORS, 0, 0, NULL},
    {"mask_random", "{\"fraction\": 0.6}", LINEAR | INVERSE | VECTORS, 0, 0, NULL},
    {"average_pool", "{\"factor\": 2}", LINEAR | INVERSE, 2, 0, "factor 2 does not divide the image of"},
    {"average_pool", "{\"factor\": 3}", LINEAR | INVERSE, 3, 0, "factor 3 does not divide the image of"},
    {"bicubic", "{\"factor\": 2}", LINEAR | INVERSE, 2, 0, "factor 2 does not divide the image of"},
    {"bicubic", "{\"factor\": 3}", LINEAR | INVERSE, 3, 0, "factor 3 does not divide the image of"},
    {"gaussian_blur", "{\"sigma\": 1}", LINEAR, 0, 0, NULL},
    {"gaussian_blur", "{\"sigma\": 3, \"size\": 19, \"boundary\": \"zero\"}", LINEAR, 0, 10,
     "a kernel of 19 taps is too wide for an image of"},
    {"gaussian_blur", "{\"sigma\": 0.7, \"boundary\": \"circular\"}", LINEAR | INVERSE, 0, 0, NULL},
    {"motion_blur", "{\"size\": 11}", LINEAR, 0, 0, NULL},
    {"motion_blur", "{\"file\": \"@/line.npy\", \"boundary\": \"zero\"}", LINEAR, 0, 0, NULL},
    {"motion_blur", "{\"file\": \"@/wide.npy\"}", LINEAR, 0, 0, NULL},
    {"motion_blur", "{\"file\": \"@/wide.npy\", \"boundary\": \"circular\"}", LINEAR | INVERSE, 0, 0, NULL},
    {"psf", "{\"size\": 5, \"pixel_nm\": 100}", LINEAR, 0, 0, NULL},
    {"psf", "{\"file\": \"@/wide.npy\", \"boundary\": \"zero\"}", LINEAR, 0, 0, NULL},
    {"psf", "{\"file\": \"@/line.npy\", \"boundary\": \"circular\", \"regularisation\": 0.01}", LINEAR | WIENER, 0, 0, NULL},
    {"psf", "{\"size\": 19, \"pixel_nm\": 100, \"boundary\": \"zero\"}", LINEAR, 0, 10, "of 19 x 19 entries is too large for an image of"},
    {"fourier_mask", "{\"file\": \"@/mask.npy\"}", LINEAR | INVERSE, 0, 0, NULL},
    {"fourier_mask", "{\"file\": \"@/mask.npy\", \"centred\": false}", LINEAR | INVERSE, 0, 0, NULL},
    {"phase_retrieval", "{}", 0, 0, 0, NULL},
    {"phase_retrieval", "{\"oversample\": 0}", 0, 0, 0, NULL},
    {"vlbi", "{" TELESCOPE "\"data\": [\"visibility\", \"flux\"], \"pixels\": \"jy\"}", LINEAR | ONE_CHANNEL, 0, 0, NULL},
    {"vlbi", "{" TELESCOPE "\"data\": \"visibility\", \"pixels\": \"jy\", \"transform\": \"fft\"}", LINEAR | ONE_CHANNEL, 0, 0, NULL},
    {"vlbi", "{" TELESCOPE "\"data\": \"visibility\"}", ONE_CHANNEL, 0, 0, NULL},
    {"vlbi", "{" TELESCOPE "\"data\": \"amplitude\", \"peak_jy\": 0.02}", ONE_CHANNEL, 0, 0, NULL},
    {"vlbi", "{" TELESCOPE "\"data\": \"closure_phase\"}", ONE_CHANNEL, 0, 0, NULL},
    {"vlbi", "{" TELESCOPE "\"data\": \"log_closure_amplitude\", \"transform\": \"fft\"}", ONE_CHANNEL, 0, 0, NULL},
    {"matrix", "{\"matrix\": \"@/matrix.npy\"}", LINEAR | INVERSE | VECTORS, 0, 0, NULL},
    {"custom", "{\"apply\": \"" CUSTOM "slope.comp\", \"adjoint\": \"" CUSTOM "slope_adjoint.comp\", \"data\": \"@/gain.npy\"}",
     LINEAR | VECTORS | GLSL, 0, 0, NULL},
    {"compose", "{\"operators\": [{\"type\": \"motion_blur\", \"file\": \"@/line.npy\"}, {\"type\": \"average_pool\", \"factor\": 2}, "
                "{\"type\": \"mask_random\", \"fraction\": 0.3}]}",
     LINEAR, 2, 0, "entry 2: operator average_pool: factor 2 does not divide the image of"},
    {"compose", "{\"operators\": [{\"type\": \"gaussian_blur\", \"sigma\": 0.6}, {\"type\": \"phase_retrieval\"}]}", 0, 0, 0, NULL},
};
enum { CASES = sizeof cases / sizeof *cases };

static const pnb_shape sizes[] = {
    {3, {1, 16, 16, 1}}, {3, {3, 15, 15, 1}}, {3, {3, 12, 18, 1}}, {3, {1, 9, 14, 1}}, {1, {10, 1, 1, 1}},
    {1, {7, 1, 1, 1}},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static const char *const files[] = {"mask.npy", "line.npy", "wide.npy", "gain.npy", "matrix.npy", "obs.csv"};

static void write_file(const char *name, uint32_t rows, uint32_t columns, const float *values) {
    pnb_error err = {0};
    TEST_OK(&err, pnb_npy_write(&err, in_folder(name), 2, (uint64_t[]){rows, columns}, values));
}

/* Those that depend on the size: a mask, and a matrix of 6 rows. */
static void write_sized(pnb_shape image) {
    uint32_t n = (uint32_t)pnb_shape_count(image), h = image.rank == 1 ? 1 : image.d[1], w = image.rank == 1 ? n : image.d[2];
    float *values = rig_random(6 * n, 21);
    write_file("matrix.npy", 6, n, values);
    for (uint32_t i = 0; i < h * w; i++) values[i] = values[i] > -0.3f;
    write_file("mask.npy", h, w, values);
    free(values);
}

static void write_fixed(void) {
    float line[15] = {0.5f, 0, 0, 1, 0, 0, 0.7f, 0.2f, 0, 0, 1, 0, 0, 0, 0.3f}, *wide = rig_random(63, 22);
    const float gain = 0.7f;
    pnb_uvdata d;
    for (int i = 0; i < 63; i++) wide[i] = fabsf(wide[i]) + (i == 31 ? 60 : 0.1f); /* its transform is nowhere near 0 */
    write_file("line.npy", 5, 3, line);
    write_file("wide.npy", 9, 7, wide);
    write_file("gain.npy", 1, 1, &gain);
    make(&d, NULL, 0.05);
    write_data(&d);
    pnb_uvdata_free(&d);
    free(wide);
}

/* ---- one case ---------------------------------------------------------------------------------------------------------- */

static void put_folder(const char *text, char *json, size_t bytes) {
    size_t at = 0;
    for (; *text && at + 300 < bytes; text++) {
        if (*text == '@') at += (size_t)snprintf(json + at, bytes - at, "%s", folder);
        else json[at++] = *text;
    }
    json[at] = 0;
}

/* The sentence with which a size is refused; NULL: it is not. */
static const char *refusal(const operator_case *c, pnb_shape s) {
    if (s.rank == 1) return c->traits & VECTORS ? NULL : "it needs images [C,H,W], the prior makes vectors";
    if ((c->traits & ONE_CHANNEL) && s.d[0] != 1) return "it needs images of one channel, the prior makes 3";
    if (c->divides && (s.d[1] % c->divides || s.d[2] % c->divides)) return c->refusal;
    if (c->least && (s.d[1] < c->least || s.d[2] < c->least)) return c->refusal;
    return NULL;
}

/* Slopes of sum(A(x) * u) at x along random directions, by the gradient and by central differences: those of A(x) in float, summed
 * in double, over a step at which rounding and curvature both stay below the tolerance. */
static void check_nonlinear(void **state, pnb_operator *op, const char *what) {
    static const double step = 1e-3, tolerance = 2e-3; /* of |gradient| |direction| */
    pnb_shape image = pnb_operator_image_shape(op);
    uint64_t nx = pnb_shape_count(image), ny = pnb_shape_count(pnb_operator_measurement_shape(op));
    float *x = malloc(3 * nx * sizeof *x), *along = rig_random(nx, 6), *u = rig_random(ny, 7), *noise = rig_random(nx, 8);
    assert_non_null(x);
    for (uint64_t i = 0; i < nx; i++) { /* a blob off the centre, in noise */
        double row = (double)(i / image.d[2] % image.d[1]) - 0.4 * image.d[1], column = (double)(i % image.d[2]) - 0.6 * image.d[2];
        x[i] = (float)(1.7 * exp(-(row * row + 0.6 * column * column) / 9) - 0.9 + 0.3 * noise[i]);
        x[nx + i] = (float)(x[i] + step * along[i]);
        x[2 * nx + i] = (float)(x[i] - step * along[i]);
    }
    float *gradient = rig_run_at(state, op, GRADIENT, 1, u, x), *y = rig_run(state, op, APPLY, 3, x);
    const float *weights = pnb_operator_weights(op);
    double slope = rig_dot(nx, gradient, along), difference = 0;
    double scale = sqrt(rig_dot(nx, gradient, gradient) * rig_dot(nx, along, along));
    for (uint64_t i = 0; i < ny; i++) {
        double d = (double)y[ny + i] - y[2 * ny + i];
        if (weights && weights[i] < 0) d = remainder(d, 2 * PI); /* an angle */
        difference += d * u[i] / (2 * step);
    }
    assert_true(scale > 0);
    if (!(fabs(slope - difference) <= tolerance * scale)) {
        fail_msg("%s: slope %.6g, by differences %.6g: off by %g of |gradient||direction|", what, slope, difference,
                 fabs(slope - difference) / scale);
    }
    free(x), free(along), free(u), free(noise), free(gradient), free(y);
}

static void check_size(void **state, const operator_case *c, const char *json, pnb_shape image) {
    char what[64], text[48];
    snprintf(what, sizeof what, "%s of %s", c->type, pnb_shape_text(image, text));
    pnb_operator *op = rig_make(state, c->type, json, image);
    if (pnb_operator_linear(op) != ((c->traits & LINEAR) != 0)) fail_msg("%s: the table is wrong about its being linear", what);
    bool pinv = c->traits & (INVERSE | WIENER);
    if (pnb_operator_has_pinv(op) != pinv) fail_msg("%s: the table is wrong about its pseudo-inverse", what);
    if (c->traits & LINEAR) {
        rig_images r;
        rig_run_all(state, op, &r);
        rig_laws(op, &r, 1e-5, c->traits & INVERSE);
        rig_free(&r);
    } else {
        check_nonlinear(state, op, what);
    }
    pnb_operator_destroy(&op, test_gpu(state));
}

static void check_case(void **state, const operator_case *c) {
    char json[1500];
    if ((c->traits & GLSL) && !pnb_glsl_available()) {
        fprintf(stderr, "skipped: %s in GLSL, there is no libshaderc\n", c->type);
        return;
    }
    put_folder(c->args, json, sizeof json);
    for (int i = 0; i < SIZES; i++) {
        const char *sentence = refusal(c, sizes[i]);
        write_sized(sizes[i]);
        if (sentence) rig_refuse(c->type, json, sizes[i], sentence);
        else check_size(state, c, json, sizes[i]);
    }
}

static void test_every_operator(void **state) {
    size_t count, seen = 0;
    const pnb_operator_doc *const *docs = pnb_operator_docs(&count);
    write_fixed();
    for (size_t t = 0; t < count; t++) {
        size_t before = seen;
        for (int i = 0; i < CASES; i++) {
            if (strcmp(cases[i].type, docs[t]->type) != 0) continue;
            check_case(state, &cases[i]);
            seen++;
        }
        if (seen == before) fail_msg("operator %s has no line in the table of this test", docs[t]->type);
    }
    assert_int_equal(seen, CASES); /* no line is of a type that there is not */
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) remove(in_folder(files[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_operator)};
    return cmocka_run_group_tests(tests, device_and_folder_setup, device_and_folder_teardown);
}
