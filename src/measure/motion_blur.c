/* motion_blur: each channel correlated with the trace of a shaken camera (motion deblurring; algorithms.md 4.3 and 4.5, DPS's form).
 *
 * The kernel comes from a file, or from a generator: a random walk of steps and turns whose length and jerks grow with `intensity`,
 * centred, turned, drawn with a width of one pixel of a canvas twice as fine, smoothed (Gaussian of one fine pixel), sampled down.
 * The generator follows the published description (motionblur, as DPS uses it); its random numbers are this project's (Philox), so a
 * seed names another kernel than there. */
#include "base/philox.h"
#include "measure/convolution.h"

#include <math.h>
#include <stdlib.h>

static const double PI = 3.14159265358979323846;

typedef struct options {
    pnb_convolution convolution;
    int32_t size, seed;
    double intensity;
} options;

static const pnb_option table[] = {
    {"size", PNB_OPTION_INT, offsetof(options, size), 61, 3, 511, NULL, "pixels", "side of a generated kernel, odd"},
    {"intensity", PNB_OPTION_REAL, offsetof(options, intensity), 0.5, 0, 1, NULL, "",
     "how shaken a generated kernel is: 0 nearly a line, 1 long and erratic"},
    {"seed", PNB_OPTION_INT, offsetof(options, seed), 0, 0, 2147483647, NULL, "", "which generated kernel"},
    PNB_CONVOLUTION_OPTIONS,
};

static const pnb_operator_key keys[] = {
    {"file", "path of a kernel, .npy or PNG, odd sides, scaled to sum 1; without it one is generated", true},
};

/* ---- random numbers ----------------------------------------------------------------------------------------------- */

typedef struct dice {
    uint64_t seed, next;
} dice;

static double uniform(dice *d, double low, double high) {
    float u;
    pnb_fill_uniform(d->seed, 0, 0, d->next++, &u, 1);
    return low + (high - low) * ((double)u + 0.5 / 16777216);
}

/* Beta(1, b): its distribution function is 1 - (1 - x)^b. */
static double beta_one(dice *d, double b) { return 1 - pow(uniform(d, 0, 1), 1 / b); }

/* Beta(2, b) for a whole b: the second smallest of b + 1 uniform numbers. */
static double beta_two(dice *d, int b) {
    double least = 1, second = 1;
    for (int i = 0; i < b + 1; i++) {
        double u = uniform(d, 0, 1);
        if (u < least) {
            second = least;
            least = u;
        } else if (u < second) {
            second = u;
        }
    }
    return second;
}

static double triangular(dice *d, double mode, double right) {
    double u = uniform(d, 0, 1);
    return u < mode / right ? sqrt(u * right * mode) : right - sqrt((1 - u) * right * (right - mode));
}

/* ---- the walk ----------------------------------------------------------------------------------------------------- */

enum { MOST_STEPS = 4096 };

typedef struct trace {
    double x[MOST_STEPS], y[MOST_STEPS]; /* on the fine canvas, the centre at 0 */
    int count;
} trace;

static double next_angle(dice *d, double before, double intensity, double jitter) {
    double size = triangular(d, intensity * intensity * PI, intensity * PI + 0.1);
    double sign = before < 0 ? -1 : 1;
    return uniform(d, 0, 1) < jitter ? -sign * size : sign * size;
}

/* Points of the walk; diagonal: of the fine canvas. */
static void walk(dice *d, double intensity, double diagonal, trace *t) {
    double longest = 0.75 * diagonal * (uniform(d, 0, 1) + uniform(d, 0, intensity * intensity)), total = 0;
    double widest = uniform(d, 0, intensity * PI), jitter = beta_two(d, 20), heading = 0, x = 0, y = 0;
    double turn = uniform(d, -widest, widest);
    t->count = 0;
    while (total < longest && t->count < MOST_STEPS) {
        double step = beta_one(d, 30) * (1 - intensity + 0.1) * diagonal;
        if (step >= longest) continue;
        if (t->count) turn = next_angle(d, turn, intensity, jitter);
        heading += turn;
        total += step;
        x += step * cos(heading);
        y += step * sin(heading);
        t->x[t->count] = x;
        t->y[t->count++] = y;
    }
}

static void centre_and_turn(dice *d, trace *t) {
    double x = 0, y = 0, angle = uniform(d, 0, PI), c = cos(angle), s = sin(angle);
    for (int i = 0; i < t->count; i++) {
        x += t->x[i] / t->count;
        y += t->y[i] / t->count;
    }
    for (int i = 0; i < t->count; i++) {
        double a = t->x[i] - x, b = t->y[i] - y;
        t->x[i] = c * a - s * b;
        t->y[i] = s * a + c * b;
    }
}

/* ---- the drawing -------------------------------------------------------------------------------------------------- */

/* Adds one point of a line, with the weight of its length, spread by a Gaussian of one fine pixel and averaged over 2 x 2 of them. */
static void dab(float *kernel, int size, double x, double y, double weight) {
    const double spread = 0.5 * sqrt(1 + 1.0 / 12); /* in kernel pixels; 1/12: the fine pixel's own width */
    double cx = size / 2 + x / 2, cy = size / 2 + y / 2;
    for (int i = (int)floor(cy) - 2; i <= (int)floor(cy) + 3; i++) {
        for (int j = (int)floor(cx) - 2; j <= (int)floor(cx) + 3; j++) {
            if (i < 0 || j < 0 || i >= size || j >= size) continue;
            double rows = erf((i + 0.5 - cy) / (spread * sqrt(2))) - erf((i - 0.5 - cy) / (spread * sqrt(2)));
            double columns = erf((j + 0.5 - cx) / (spread * sqrt(2))) - erf((j - 0.5 - cx) / (spread * sqrt(2)));
            kernel[i * size + j] += (float)(weight * rows * columns);
        }
    }
}

static void draw(const trace *t, float *kernel, int size) {
    if (t->count == 1) dab(kernel, size, 0, 0, 1);
    for (int i = 1; i < t->count; i++) {
        double dx = t->x[i] - t->x[i - 1], dy = t->y[i] - t->y[i - 1], length = hypot(dx, dy);
        int points = 1 + (int)(4 * length);
        for (int k = 0; k < points; k++) {
            double f = (k + 0.5) / points;
            dab(kernel, size, t->x[i - 1] + f * dx, t->y[i - 1] + f * dy, length / points + 1e-9);
        }
    }
}

/* Like the 8-bit picture that the published generator makes: what is below half a grey level of the brightest entry is 0. */
static bool quantise(float *kernel, int count) {
    float largest = 0;
    for (int i = 0; i < count; i++) largest = fmaxf(largest, kernel[i]);
    for (int i = 0; i < count; i++) kernel[i] = roundf(kernel[i] / largest * 255);
    return largest > 0;
}

/* Walks until one stays on the canvas enough to be seen at its centre. */
static pnb_status generate(pnb_operator *op, const options *o, pnb_array *kernel) {
    uint64_t side = (uint64_t)o->size, shape[2] = {side, side};
    if (o->size % 2 == 0) {
        return pnb_fail(op->err, PNB_ERROR_INPUT, "operator motion_blur: size must be odd, found %d", (int)o->size);
    }
    PNB_TRY(pnb_array_create(op->err, "operator motion_blur", 2, shape, kernel));
    trace *t = malloc(sizeof *t);
    if (!t) {
        pnb_array_free(kernel);
        return pnb_fail(op->err, PNB_ERROR_OUT_OF_MEMORY, "operator motion_blur: no host memory");
    }
    dice d = {.seed = (uint64_t)o->seed};
    bool drawn = false;
    while (!drawn) {
        for (uint64_t i = 0; i < kernel->count; i++) kernel->data[i] = 0;
        do {
            walk(&d, o->intensity, 2 * sqrt(2) * o->size, t);
        } while (!t->count);
        centre_and_turn(&d, t);
        draw(t, kernel->data, o->size);
        drawn = quantise(kernel->data, (int)kernel->count);
    }
    free(t);
    return PNB_OK;
}

/* ---- the operator ------------------------------------------------------------------------------------------------- */

static pnb_status create(pnb_operator *op, const struct cJSON *args, const char *base_dir) {
    pnb_array kernel = {0};
    char *path;
    PNB_TRY(pnb_operator_path(op, args, "file", base_dir, &path));
    pnb_status status = path ? pnb_convolution_read(op, path, &kernel) : generate(op, op->options, &kernel);
    if (status == PNB_OK) status = pnb_convolution_create(op, false, &kernel, path ? path : "the kernel");
    pnb_array_free(&kernel);
    free(path);
    return status;
}

const pnb_operator_type pnb_operator_motion_blur = {
    .doc = {.type = "motion_blur",
            .summary = "the trace of a shaken camera (motion deblurring)",
            .table = {table, sizeof table / sizeof table[0], sizeof(options)},
            .keys = keys,
            .n_keys = sizeof keys / sizeof keys[0]},
    .create = create,
    PNB_CONVOLUTION_FUNCTIONS,
};
