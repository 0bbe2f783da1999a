/* The tables of penumbra compare: what the runs' run.json say, one row a method and task, means over observations. */
#ifndef PNB_CLI_COMPARE_TABLE_H
#define PNB_CLI_COMPARE_TABLE_H

#include "cli/cli.h"

/* rows: an array to grow. Adds a row {task, method, observations, ...means} from the folders of the observations; a
 * folder without run.json, or whose run was stopped, counts as not done. refusal: why the method cannot do the task, which
 * JSON keeps; NULL: it can. false: no memory. */
bool cli_compare_row(cJSON *rows, const char *task, const char *method, const char *refusal, const char *const *folders,
                     size_t count);
/* DIR/table.json, table.csv and table.md from the rows; a column that no row has is left out. false: a sentence was
 * printed. */
bool cli_compare_write(const char *folder, const cJSON *rows);

#endif
