/* What the subcommands share: options, the context, progress, Ctrl-C, files of text. Uses penumbra.h and cJSON only. */
#ifndef PNB_CLI_CLI_H
#define PNB_CLI_CLI_H

#include "penumbra/penumbra.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

/* ---- options
 * ------------------------------------------------------------------------------------------------------------- */

typedef enum cli_kind {
    CLI_FLAG,  /* bool */
    CLI_TEXT,  /* const char * */
    CLI_WHOLE, /* cli_whole */
    CLI_REAL,  /* cli_real */
    CLI_TEXTS, /* cli_texts: may be given several times */
    CLI_REALS  /* cli_reals: likewise */
} cli_kind;

typedef struct cli_whole {
    bool given;
    uint64_t value;
} cli_whole;
typedef struct cli_real {
    bool given;
    double value;
} cli_real;
typedef struct cli_texts {
    const char **items;
    size_t count;
} cli_texts;
typedef struct cli_reals {
    double *items;
    size_t count;
} cli_reals;

typedef struct cli_option {
    const char *name; /* "particles" for --particles */
    char letter;      /* 'o' for -o, 0: none */
    cli_kind kind;
    size_t offset;        /* of the member in the command's struct of values */
    const char *argument; /* "K" */
    const char *help;
} cli_option;

/* Options that every subcommand takes. */
typedef struct cli_common {
    const char *device, *progress, *memory;
    cli_whole seed;
    bool quiet, validate, no_tune, overwrite, help;
} cli_common;

typedef struct cli_command {
    const char *name, *summary;
    const char *usage; /* after the name */
    const char *text;  /* paragraphs below the options, or NULL */
    const cli_option *options;
    size_t option_count;
    int positional_min, positional_max;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
} cli_command;

enum { CLI_MOST_POSITIONALS = 16 };

typedef struct cli_args {
    const cli_command *command;
    cli_common common;
    const char *positional[CLI_MOST_POSITIONALS];
    int positional_count;
} cli_args;

enum { CLI_GO_ON = -1 };
/* Fills *values (zeroed by the caller). CLI_GO_ON, or the exit code: 0 after --help, 2 after a sentence on stderr. */
int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args, void *values);
void cli_free_values(const cli_command *command, void *values);
/* The word of `words` that is nearest to `word`, NULL where none is near. */
const char *cli_nearest(const char *word, const char *const *words, size_t count);
/* A usage fault on stderr: "penumbra NAME: sentence". Returns 2. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int cli_usage(const cli_command *command, const char *format, ...);

/* ---- context and failures
 * --------------------------------------------------------------------------------------------------- */

/* CLI_GO_ON, or the exit code. */
int cli_open(const cli_args *args, pnb_context **context);
/* The context's sentence on stderr; the exit code that belongs to status. */
int cli_fail(const cli_args *args, const pnb_context *context, pnb_status status);
/* Opens the device and says on stderr which and why (not with --quiet). */
pnb_status cli_say_device(const cli_args *args, pnb_context *context);
/* What `list` knows (operators, methods), to stdout. The exit code. */
int cli_print_types(const cli_args *args, pnb_context *context, pnb_status (*list)(pnb_context *, char **));
/* Fails the command where validation layers had something to say. Passes code on otherwise. */
int cli_close(const cli_args *args, pnb_context **context, int code);

/* ---- files
 * -------------------------------------------------------------------------------------------------------------------
 */

bool cli_is_stdout(const char *path); /* "-"; NULL is not */
/* Atomically; "-": stdout. false: a sentence was printed. */
bool cli_write_text(const char *path, const char *text);
/* The whole file, for the caller to free(); NULL where it cannot be read. */
char *cli_read_text(const char *path);
bool cli_make_folder(const char *path);
bool cli_exists(const char *path);
/* Splits off the batch of an array of a known element shape; false where it does not fit. *batched: x had a batch axis.
 */
bool cli_split_batch(const pnb_extent *x, const pnb_extent *element, uint32_t *n, bool *batched);
/* The extent of an output: [n, element...] where batched; without a leading channel of 1 where flat. */
pnb_extent cli_join_batch(const pnb_extent *element, uint32_t n, bool batched, bool flat);
const char *cli_extent_text(const pnb_extent *extent, char *buffer, size_t bytes);
uint32_t cli_channels(const pnb_extent *element); /* to read an image of this shape with: 1, 3, or 0 for any */
/* "HEIGHTxWIDTH", each from 1 to 32768. */
bool cli_read_size(const char *text, uint32_t *height, uint32_t *width);
/* A prior from a safetensors file (*own) or that of a problem.json (*problem); *model is it. */
pnb_status cli_load_prior(pnb_context *context, const char *path, bool fp16, pnb_model **own, pnb_problem **problem,
                          pnb_model **model);
#define CLI_FP16_HELP "what lives long of the network in memory as 16-bit floats: less memory, rounder results"
cJSON *cli_device_object(const pnb_device_info *info);

/* ---- progress and Ctrl-C
 * ------------------------------------------------------------------------------------------------------ */

void cli_catch_signals(void);
bool cli_stopped(void);

typedef struct cli_progress {
    enum { CLI_PROGRESS_NONE, CLI_PROGRESS_BAR, CLI_PROGRESS_PLAIN, CLI_PROGRESS_JSON } mode;
    double next;    /* seconds of the run before which nothing is shown */
    bool line_open; /* a bar stands on the line */
    bool said_stop;
    pnb_progress last; /* the latest state; all 0 before the first step */
} cli_progress;

/* false: a usage sentence was printed. */
bool cli_progress_init(const cli_args *args, cli_progress *progress);
int cli_progress_step(void *progress, const pnb_progress *state); /* a pnb_progress_fn */
void cli_progress_end(cli_progress *progress);
/* The closing sentence of a training that wrote `output`: steps, time, and losses where there are any. */
void cli_progress_wrote(const cli_progress *progress, const char *output);
/* "2:35" or "1:02:35" into buffer. */
const char *cli_duration(double seconds, char *buffer, size_t bytes);

/* ---- the subcommands
 * ------------------------------------------------------------------------------------------------------------ */

extern const cli_command cli_bench, cli_compare, cli_compare_devices, cli_convert, cli_devices, cli_doctor, cli_eval, cli_figure,
    cli_forward, cli_inspect, cli_predict, cli_sample, cli_selftest, cli_simulate, cli_solve, cli_train, cli_amortize, cli_reconstruct,
    cli_tune;

#endif
