/* A problem's settings from the command line: shared by solve and amortize. */
#ifndef PNB_CLI_OVERRIDES_H
#define PNB_CLI_OVERRIDES_H

#include "cli/cli.h"

typedef struct cli_overrides {
    const char *method;                 /* NULL: as the problem has it */
    const cli_texts *set;               /* "KEY=VALUE" of the method, or noise.sigma */
    const cli_whole *particles, *steps; /* NULL: no such options */
} cli_overrides;

/* CLI_GO_ON where each of --set has its '='. */
int cli_check_assignments(const cli_command *command, const cli_texts *set);
/* Method first, then --set, then particles and steps, and --seed. */
pnb_status cli_apply_overrides(const cli_args *args, const cli_overrides *o, pnb_problem *problem);

#endif
