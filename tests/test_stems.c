/* The stem contract: op X is src/ops/X.c, shaders/ops/X*.comp and tests/ops/test_X.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source_tree.h"

/* Sources of src/ops that are no op. */
static const char *const helpers[] = {"suite", "emit", "load", "conv2d_columns", "fft_plan"};
/* Ops that are made of other ops' shaders. */
static const char *const shaderless[] = {"linear", "concat", "embed"};

enum { MAX_STEMS = 200 };

typedef struct stems {
    char source[MAX_STEMS][64], shader[MAX_STEMS][64];
    size_t sources, shaders;
} stems;

static bool listed(const char *const *list, size_t n, const char *stem) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], stem) == 0) return true;
    }
    return false;
}
#define LISTED(list, stem) listed(list, sizeof(list) / sizeof *(list), stem)

/* The stem of folder/stem.suffix into out; false where the file is none of these. */
static bool stem_of(const char *file, const char *folder, const char *suffix, char out[64]) {
    size_t n = strlen(folder), m = strlen(suffix), length = strlen(file);
    if (strncmp(file, folder, n) || !tree_ends_with(file, suffix) || length - n - m >= 64 || strchr(file + n, '/')) return false;
    memcpy(out, file + n, length - n - m);
    out[length - n - m] = 0;
    return true;
}

static void visit(const char *file, void *user) {
    stems *s = user;
    char stem[64];
    if (s->sources < MAX_STEMS && stem_of(file, "src/ops/", ".c", stem)) strcpy(s->source[s->sources++], stem);
    if (s->shaders < MAX_STEMS && stem_of(file, "shaders/ops/", ".comp", stem)) strcpy(s->shader[s->shaders++], stem);
}

/* "conv2d_3x3" belongs to "conv2d". */
static bool belongs(const char *shader, const char *stem) {
    size_t n = strlen(stem);
    return strncmp(shader, stem, n) == 0 && (shader[n] == 0 || shader[n] == '_');
}

static int check_source(const stems *s, const char *stem) {
    char test[128];
    int faults = 0;
    bool shader = LISTED(shaderless, stem);
    if (LISTED(helpers, stem)) return 0;
    for (size_t i = 0; i < s->shaders; i++) shader |= belongs(s->shader[i], stem);
    if (!shader) {
        fprintf(stderr, "src/ops/%s.c has no shader shaders/ops/%s*.comp\n", stem, stem);
        faults++;
    }
    snprintf(test, sizeof test, "tests/ops/test_%s.c", stem);
    if (!tree_exists(test)) {
        fprintf(stderr, "src/ops/%s.c has no test %s\n", stem, test);
        faults++;
    }
    return faults;
}

static int check_shader(const stems *s, const char *shader) {
    for (size_t i = 0; i < s->sources; i++) {
        if (belongs(shader, s->source[i])) return 0;
    }
    fprintf(stderr, "shaders/ops/%s.comp belongs to no src/ops/*.c\n", shader);
    return 1;
}

static void test_stems(void **state) {
    static stems s;
    int faults = 0;
    (void)state;
    tree_walk("src/ops", visit, &s);
    tree_walk("shaders/ops", visit, &s);
    for (size_t i = 0; i < s.sources; i++) faults += check_source(&s, s.source[i]);
    for (size_t i = 0; i < s.shaders; i++) faults += check_shader(&s, s.shader[i]);
    assert_int_equal(faults, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stems)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
