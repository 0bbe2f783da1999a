/* Running into an output folder: shared by solve and sample. */
#ifndef PNB_CLI_RESULTS_H
#define PNB_CLI_RESULTS_H

#include "cli/cli.h"

typedef struct cli_results {
    const char *folder;
    bool resume;
    cli_real checkpoint;
} cli_results;

/* Before anything is built: refuses a folder that holds results (2); 0 where a resumed run is complete already; else
 * CLI_GO_ON. */
int cli_results_check(const cli_args *args, pnb_context *context, const cli_results *results);
/* Runs to the end or to Ctrl-C with progress, and says on stderr what was written. The exit code. */
int cli_results_run(const cli_args *args, pnb_context *context, pnb_run *run, const cli_results *results);

#endif
