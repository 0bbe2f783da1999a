/* The rows of `penumbra bench` as a table. */
#ifndef PNB_CLI_BENCH_TABLE_H
#define PNB_CLI_BENCH_TABLE_H

#include "cli/table.h"

/* json: as pnb_bench gives it. path as of cli_write_text. false: a sentence was printed. */
bool cli_bench_table(const char *path, const char *json, cli_table_form form);

#endif
