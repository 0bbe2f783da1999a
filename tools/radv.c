/* Compiles every kernel of the ops' case lists for AMD GPUs that need not be there and prints what the driver's compiler says of
 * each: one row a kernel, the lowest occupancy first. Mesa's RADV does it: told a family, it is null hardware that compiles and
 * runs nothing.
 *
 * Usage: pnb_radv ROWS FAMILY...        (ROWS a family, and every kernel that fails)
 * Exit code: 1 where a kernel needs scratch memory or leaves room for less than half of the subgroups that fit at most, 2 where
 * something failed, 77 without RADV. FFTs may leave room for fewer: a line of one is held in registers and shared memory, so that it
 * is read and written once. A spilled SGPR goes to a lane of a VGPR and is only shown. The environment says where RADV is
 * (VK_ICD_FILENAMES). */
#include "gpu/statistics.h"
#include "ops/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77 };

typedef struct row {
    pnb_gpu_kernel_statistics s;
    const char *op, *name; /* the case that needed it first */
} row;

typedef struct table {
    pnb_error err;
    pnb_gpu *gpu;
    row *rows;
    size_t count;
} table;

/* The driver's statistic of this name; 0 where it reports none. */
static double find(const row *r, const char *name) {
    for (uint32_t i = 0; i < r->s.count; i++) {
        if (strcmp(r->s.item[i].name, name) == 0) return r->s.item[i].value;
    }
    return 0;
}
static double occupancy(const row *r) { return find(r, "Subgroups per SIMD"); }
static bool spills(const row *r) { return find(r, "Spilled VGPRs") > 0 || find(r, "Scratch size") > 0; }

static bool is_fft(const row *r) { return strncmp(r->s.desc.shader, "ops/fft", 7) == 0; }

/* Compiles one case and notes the kernels that it brought. */
static pnb_status add_case(table *t, const pnb_op_suite *suite, const pnb_op_case *c, bool half) {
    PNB_TRY(pnb_op_case_compile(t->gpu, &t->err, suite, c, half));
    size_t made = (size_t)pnb_gpu_get_stats(t->gpu).kernels_created;
    if (made == t->count) return PNB_OK;
    row *rows = realloc(t->rows, made * sizeof *rows);
    if (!rows) return pnb_fail(&t->err, PNB_ERROR_OUT_OF_MEMORY, "a table of %zu kernels: out of memory", made);
    t->rows = rows;
    for (; t->count < made; t->count++) {
        row *r = &t->rows[t->count];
        *r = (row){.op = suite->op, .name = c->name};
        PNB_TRY(pnb_gpu_kernel_get_statistics(t->gpu, t->count, &r->s));
    }
    return PNB_OK;
}

static pnb_status fill(table *t) {
    size_t count;
    const pnb_op_suite *const *suites = pnb_op_suites(&count);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 2 * suites[i]->count; k++) PNB_TRY(add_case(t, suites[i], &suites[i]->cases[k / 2], k % 2));
    }
    return PNB_OK;
}

static int worse_first(const void *a, const void *b) {
    double x = occupancy(a) - occupancy(b), y = find(b, "VGPRs") - find(a, "VGPRs");
    return x != 0 ? (x > 0) - (x < 0) : (y > 0) - (y < 0);
}

static void print_row(const row *r) {
    printf("%-36s %4u %4.0f %4.0f %4.0f/%-4.0f %7.0f %6.0f %9.0f  %s %s [", r->s.desc.shader, r->s.subgroup_size, find(r, "VGPRs"),
           find(r, "SGPRs"), find(r, "Spilled VGPRs"), find(r, "Spilled SGPRs"), find(r, "Scratch size"), find(r, "LDS size"), occupancy(r), r->op, r->name);
    for (uint32_t i = 0; i < r->s.desc.spec_count; i++) printf("%s%u", i ? " " : "", r->s.desc.spec[i]);
    printf("]\n");
}

/* Prints `most` rows, and every row that fails; returns how many do. */
static size_t print(table *t, size_t most) {
    size_t spilled = 0, crowded = 0;
    qsort(t->rows, t->count, sizeof *t->rows, worse_first);
    printf("%s, %s: %zu kernels\n", pnb_gpu_get_caps(t->gpu)->name, pnb_gpu_get_caps(t->gpu)->driver, t->count);
    printf("%-36s %4s %4s %4s %9s %7s %6s %9s  %s\n", "shader", "wave", "VGPR", "SGPR", "spilled", "scratch", "LDS", "occupancy",
           "case [constants]");
    double best = t->count ? occupancy(&t->rows[t->count - 1]) : 0;
    for (size_t i = 0; i < t->count; i++) {
        const row *r = &t->rows[i];
        bool bad = !is_fft(r) && 2 * occupancy(r) < best;
        if (i < most || spills(r) || bad) print_row(r);
        spilled += spills(r);
        crowded += bad;
    }
    printf("%zu kernels need scratch memory; the best occupancy is %.0f subgroups a SIMD; ", spilled, best);
    printf("%zu kernels that are no FFTs reach less than half of it\n\n", crowded);
    return spilled + crowded;
}

/* The device of the environment, in this process. */
static int show(size_t most) {
    table t = {.err = {PNB_OK, ""}};
    pnb_gpu_params params = {.cache_dir = "", .statistics = true};
    int code = 0;
    if (pnb_gpu_create(&params, &t.err, &t.gpu) != PNB_OK) code = SKIPPED;
    else if (fill(&t) != PNB_OK) code = 2;
    if (code) fprintf(stderr, "pnb_radv: %s\n", t.err.message);
    else code = print(&t, most) > 0;
    free(t.rows);
    pnb_gpu_destroy(&t.gpu);
    return code;
}

/* One family, in a process of its own, since RADV aborts where it does not know the name; -1 then. */
static int try_family(const char *family, size_t most) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("RADV_FORCE_FAMILY", family, 1);
        int code = show(most);
        fflush(NULL);
        _exit(code);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return 2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv) {
    size_t most = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    int worst = 0;
    for (int i = 2; i < argc; i++) {
        bool renamed = strcmp(argv[i], "navi31") == 0; /* Mesa before 23 knows it by its architecture only */
        int code = try_family(renamed ? "gfx1100" : argv[i], most);
        if (code < 0 && renamed) code = try_family(argv[i], most);
        if (code < 0) fprintf(stderr, "pnb_radv: RADV does not know '%s'\n", argv[i]);
        if (code < 0) code = 2;
        if (code > worst) worst = code;
    }
    return worst;
}
