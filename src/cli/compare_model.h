/* Runs of compare by a trained generator. */
#ifndef PNB_CLI_COMPARE_MODEL_H
#define PNB_CLI_COMPARE_MODEL_H

#include "cli/cli.h"

typedef struct cli_generator {
    const char *task;          /* its name, for messages */
    const char *problem, *base; /* a problem.json of the measurement, and the folder that its paths are relative to */
    const char *model, *truth; /* files */
    const char *folder;        /* of the results; the measurement is written beside it */
    uint32_t samples;
    uint64_t seed;
} cli_generator;

/* The path with the task's name in place of {task}, relative ones from base. NULL: no memory; the caller frees. */
char *cli_compare_path(const char *base, const char *pattern, const char *task);
/* Samples into the folder, if the generator was trained for the problem's operator and noise. The exit code. */
int cli_compare_reconstruct(const cli_args *args, pnb_context *context, const cli_generator *generator);

#endif
