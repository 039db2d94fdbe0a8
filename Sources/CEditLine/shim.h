#ifndef STARLING_CEDITLINE_SHIM_H
#define STARLING_CEDITLINE_SHIM_H

#include <histedit.h>
#include <stdio.h>

/* libedit's settings are variadic functions, which Swift does not call. */

static inline EditLine *starling_edit_open(const char *name) {
    EditLine *edit = el_init(name, stdin, stdout, stderr);
    if (edit) {
        el_set(edit, EL_EDITOR, "emacs");
        /* A terminal that is resized, or stopped and continued, is drawn anew. */
        el_set(edit, EL_SIGNAL, 1);
    }
    return edit;
}

static inline void starling_edit_set_data(EditLine *edit, void *data) { el_set(edit, EL_CLIENTDATA, data); }

static inline void *starling_edit_data(EditLine *edit) {
    void *data = NULL;
    el_get(edit, EL_CLIENTDATA, &data);
    return data;
}

static inline void starling_edit_prompt(EditLine *edit, char *(*prompt)(EditLine *)) {
    el_set(edit, EL_PROMPT, prompt);
}

static inline void starling_edit_add(
    EditLine *edit, const char *name, const char *help, unsigned char (*function)(EditLine *, int)) {
    el_set(edit, EL_ADDFN, name, help, function);
}

static inline void starling_edit_bind(EditLine *edit, const char *key, const char *function) {
    el_set(edit, EL_BIND, key, function, NULL);
}

/* While a line is edited the terminal sends Ctrl-C and Ctrl-Z as characters, and not as signals. */
static inline void starling_edit_without_signals(EditLine *edit) { el_set(edit, EL_SETTY, "-d", "-isig", NULL); }

/* Before the prompt is seen: what is typed at once behind it is meant for the editor, Ctrl-D above all. */
static inline void starling_edit_prepare(EditLine *edit) { el_set(edit, EL_PREP_TERM, 1); }

static inline void starling_edit_history(EditLine *edit, History *lines, int limit) {
    HistEvent event;
    history(lines, &event, H_SETSIZE, limit);
    history(lines, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_HIST, history, lines);
}

static inline void starling_history_enter(History *lines, const char *line) {
    HistEvent event;
    history(lines, &event, H_ENTER, line);
}

#endif
