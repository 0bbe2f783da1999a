/* Lists of JSON objects as tables: CSV for programs, Markdown for people. */
#ifndef PNB_CLI_TABLE_H
#define PNB_CLI_TABLE_H

#include "cli/cli.h"

typedef enum cli_table_form { CLI_TABLE_CSV, CLI_TABLE_MARKDOWN } cli_table_form;

/* columns: where the values stand in a row, "ms.median" in the object ms; a title has '_' for '.'. */

/* The line of titles, and the rows with a cell for every column. */
void cli_csv_titles(FILE *f, const char *const *columns, size_t n);
void cli_csv_rows(FILE *f, const cJSON *list, const char *const *columns, size_t n);
/* A table without the columns that nothing stands in; text with what Markdown would take for a cell's end escaped. */
void cli_markdown_table(FILE *f, const cJSON *list, const char *const *columns, size_t n);
void cli_markdown_text(FILE *f, const char *text);
/* What `put` prints, to a path as of cli_write_text. false: a sentence was printed. */
bool cli_table_write(const char *path, void (*put)(FILE *f, const cJSON *json), const cJSON *json);

#endif
