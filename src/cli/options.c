/* A small table-driven option parser: long and short options, --name=value, near misses named. */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const cli_option common_options[] = {
    {"device", 0, CLI_TEXT, offsetof(cli_common, device), "D",
     "index or part of a name (penumbra devices); PENUMBRA_DEVICE"},
    {"seed", 0, CLI_WHOLE, offsetof(cli_common, seed), "S", "seed of all random numbers"},
    {"memory", 0, CLI_TEXT, offsetof(cli_common, memory), "SIZE", "device memory that may be used, such as 2G or 512M"},
    {"progress", 0, CLI_TEXT, offsetof(cli_common, progress), "HOW", "auto, plain, json (lines on stdout) or none"},
    {"quiet", 'q', CLI_FLAG, offsetof(cli_common, quiet), NULL, "only failures on stderr"},
    {"validate", 0, CLI_FLAG, offsetof(cli_common, validate), NULL,
     "Vulkan validation layers; their messages are failures"},
    {"no-tune", 0, CLI_FLAG, offsetof(cli_common, no_tune), NULL,
     "ignore what penumbra tune found: the same bytes on machines with the same driver"},
    {"overwrite", 0, CLI_FLAG, offsetof(cli_common, overwrite), NULL, "replace results in the output folder"},
    {"help", 'h', CLI_FLAG, offsetof(cli_common, help), NULL, "this text"},
};
enum { COMMON_COUNT = sizeof common_options / sizeof *common_options };

int cli_usage(const cli_command *command, const char *format, ...) {
    va_list args;
    fprintf(stderr, "penumbra %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    return PNB_ERROR_USAGE;
}

/* ---- near misses
 * ---------------------------------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Edit distance of two short words; words over 31 letters count as far. */
static size_t distance(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b), row[32];
    if (n > 31 || m > 31) return 99;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j];
            row[j] = least(diagonal + (a[i - 1] != b[j - 1]), least(row[j], row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[m];
}

const char *cli_nearest(const char *word, const char *const *words, size_t count) {
    const char *best = NULL;
    size_t nearest = strlen(word) < 4 ? 2 : 3; /* distances below this are near */
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, words[i]);
        if (d < nearest || (!best && strlen(word) >= 3 && strncmp(word, words[i], strlen(word)) == 0)) {
            best = words[i];
            nearest = least(d, nearest);
        }
    }
    return best;
}

static int unknown_option(const cli_command *c, const char *name) {
    const char *words[64];
    size_t count = 0;
    for (size_t i = 0; i < c->option_count && count < 64; i++) words[count++] = c->options[i].name;
    for (size_t i = 0; i < COMMON_COUNT && count < 64; i++) words[count++] = common_options[i].name;
    const char *near = cli_nearest(name, words, count);
    if (near) return cli_usage(c, "unknown option '--%s': did you mean --%s?", name, near);
    return cli_usage(c, "unknown option '--%s': penumbra %s --help lists what there is", name, c->name);
}

/* ---- help
 * -------------------------------------------------------------------------------------------------------------------
 */

static void show_options(const cli_option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char left[64], letter[8] = "    ";
        if (options[i].letter) snprintf(letter, sizeof letter, "-%c, ", options[i].letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, options[i].name, options[i].argument ? " " : "",
                 options[i].argument ? options[i].argument : "");
        printf("  %-28s %s\n", left, options[i].help);
    }
}

static void show_help(const cli_command *c) {
    printf("penumbra %s %s\n\n%s.\n", c->name, c->usage, c->summary);
    if (c->option_count) printf("\n");
    show_options(c->options, c->option_count);
    printf("\n");
    show_options(common_options, COMMON_COUNT);
    if (c->text) printf("\n%s", c->text);
}

/* ---- values
 * ------------------------------------------------------------------------------------------------------------------ */

static bool parse_real(const char *text, double *out) {
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && *end == 0 && errno == 0 && isfinite(*out);
}

static bool parse_whole(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return end != text && *end == 0 && errno == 0 && strchr(text, '-') == NULL && *out <= (uint64_t)1 << 53;
}

static int no_memory(const cli_command *c) {
    cli_usage(c, "the host has no memory left");
    return PNB_ERROR_OUT_OF_MEMORY;
}

static int set_value(const cli_command *c, const cli_option *o, char *at, const char *text) {
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)(void *)at = true;
        break;
    case CLI_TEXT:
        *(const char **)(void *)at = text;
        break;
    case CLI_WHOLE: {
        cli_whole *v = (void *)at;
        v->given = true;
        if (!parse_whole(text, &v->value))
            return cli_usage(c, "--%s: expected a whole number from 0 to 9007199254740992, found '%s'", o->name, text);
        break;
    }
    case CLI_REAL: {
        cli_real *v = (void *)at;
        v->given = true;
        if (!parse_real(text, &v->value)) return cli_usage(c, "--%s: expected a number, found '%s'", o->name, text);
        break;
    }
    case CLI_TEXTS: {
        cli_texts *v = (void *)at;
        const char **items = realloc(v->items, (v->count + 1) * sizeof *items);
        if (!items) return no_memory(c);
        v->items = items;
        v->items[v->count++] = text;
        break;
    }
    case CLI_REALS: {
        cli_reals *v = (void *)at;
        double *items = realloc(v->items, (v->count + 1) * sizeof *items);
        if (!items) return no_memory(c);
        v->items = items;
        if (!parse_real(text, &v->items[v->count++])) {
            return cli_usage(c, "--%s: expected a number, found '%s'", o->name, text);
        }
        break;
    }
    }
    return CLI_GO_ON;
}

void cli_free_values(const cli_command *c, void *values) {
    for (size_t i = 0; i < c->option_count; i++) {
        char *at = (char *)values + c->options[i].offset;
        if (c->options[i].kind == CLI_TEXTS) free(((cli_texts *)(void *)at)->items);
        if (c->options[i].kind == CLI_REALS) free(((cli_reals *)(void *)at)->items);
    }
}

/* ---- parsing
 * -------------------------------------------------------------------------------------------------------------------
 */

/* An option of the command, or else a common one; *base becomes the struct that it belongs to. */
static const cli_option *find(const cli_command *c, const char *name, size_t length, char letter, void *values,
                              void *common, char **base) {
    const cli_option *lists[] = {c->options, common_options};
    size_t counts[] = {c->option_count, COMMON_COUNT};
    void *bases[] = {values, common};
    for (int l = 0; l < 2; l++) {
        for (size_t i = 0; i < counts[l]; i++) {
            const cli_option *o = &lists[l][i];
            bool same = name ? strlen(o->name) == length && strncmp(o->name, name, length) == 0 : o->letter == letter;
            if (!same) continue;
            *base = bases[l];
            return o;
        }
    }
    return NULL;
}

static int parse_option(const cli_command *c, int argc, char **argv, int *i, cli_args *args, void *values) {
    const char *word = argv[*i], *value = NULL;
    char *base = NULL;
    const cli_option *o;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
        o = find(c, word + 2, length, 0, values, &args->common, &base);
        if (!o) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), word + 2);
            return unknown_option(c, name);
        }
        value = equals ? equals + 1 : NULL;
    } else {
        o = find(c, NULL, 0, word[1], values, &args->common, &base);
        if (!o) return cli_usage(c, "unknown option '-%c': penumbra %s --help lists what there is", word[1], c->name);
        if (word[2]) value = word + 2;
    }
    if (o->kind == CLI_FLAG) {
        if (value) return cli_usage(c, "--%s takes no value", o->name);
        return set_value(c, o, base + o->offset, NULL);
    }
    if (!value) {
        if (*i + 1 >= argc) return cli_usage(c, "--%s needs a value (%s)", o->name, o->argument);
        value = argv[++*i];
    }
    if (!*value) return cli_usage(c, "--%s needs a value (%s), found an empty one", o->name, o->argument);
    return set_value(c, o, base + o->offset, value);
}

int cli_parse(const cli_command *c, int argc, char **argv, cli_args *args, void *values) {
    memset(args, 0, sizeof *args);
    args->command = c;
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && word[0] == '-' && word[1]) {
            int code = parse_option(c, argc, argv, &i, args, values);
            if (code != CLI_GO_ON) return code;
        } else if (args->positional_count == c->positional_max) {
            return cli_usage(c, "'%s' is one argument too many; usage: penumbra %s %s", word, c->name, c->usage);
        } else {
            args->positional[args->positional_count++] = word;
        }
    }
    if (args->common.help) {
        show_help(c);
        return 0;
    }
    if (args->positional_count < c->positional_min) {
        return cli_usage(c, "an argument is missing; usage: penumbra %s %s", c->name, c->usage);
    }
    return CLI_GO_ON;
}
