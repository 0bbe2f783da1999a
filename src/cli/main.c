/* The command: finds the subcommand and runs it. */
#include "cli/cli.h"

#include <string.h>

static const cli_command *const commands[] = {&cli_solve,    &cli_sample,      &cli_predict,         &cli_forward, &cli_simulate,
                                              &cli_eval,     &cli_figure,      &cli_compare,         &cli_inspect, &cli_convert,
                                              &cli_devices,  &cli_selftest,    &cli_bench,           &cli_tune,    &cli_train,
                                              &cli_amortize, &cli_reconstruct, &cli_compare_devices, &cli_doctor};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void show_usage(FILE *to) {
    fprintf(to, "penumbra %s: posterior samples from a measurement, a forward model and a diffusion prior\n\n",
            pnb_version());
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(to, "  penumbra %-15s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(to, "\npenumbra COMMAND --help explains each. Exit codes: 0 ok, 2 usage, 3 bad input, 4 bad model,\n"
                "5 no usable device, 6 out of memory, 7 numeric failure, 8 device lost, 130 cancelled.\n");
}

static int unknown_command(const char *name) {
    const char *words[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) words[i] = commands[i]->name;
    const char *near = cli_nearest(name, words, COMMAND_COUNT);
    fprintf(stderr, "penumbra: unknown command '%s'", name);
    if (near) fprintf(stderr, ": did you mean %s?", near);
    fprintf(stderr, "%s\n", near ? "" : "; penumbra --help lists what there is");
    return PNB_ERROR_USAGE;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        show_usage(stderr);
        return PNB_ERROR_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        show_usage(stdout);
        return PNB_OK;
    }
    if (strcmp(name, "--version") == 0) {
        printf("%s\n", pnb_version());
        return PNB_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, commands[i]->name) != 0) continue;
        int code = commands[i]->run(argc - 1, argv + 1);
        if ((fflush(stdout) != 0 || ferror(stdout)) && code == PNB_OK) {
            fprintf(stderr, "penumbra: stdout cannot be written\n");
            code = PNB_ERROR_INPUT;
        }
        return code;
    }
    return unknown_command(name);
}
