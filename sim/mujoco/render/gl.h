// Off-screen OpenGL for MuJoCo's renderer: a context from libOSMesa (software) or libEGL, opened at run time.
#ifndef KORR_RENDER_GL_H
#define KORR_RENDER_GL_H

typedef struct korr_canvas korr_canvas;

// Opens a context of this size with OSMesa when `osmesa` names a library that loads, else with EGL. Returns NULL and
// says in err what is missing. The context is current on the calling thread, and every other call must come from it.
korr_canvas* korr_canvas_open(const char* osmesa, const char* egl, int width, int height, char* err, int errsz);
// "OSMesa" or "EGL" and what OpenGL calls itself.
void korr_canvas_describe(const korr_canvas* c, char* out, int size);
// Draws mjModel m and mjData d from a named camera of the model into rgba (width*height*4, top row first).
// Returns 0, or -1 with a message.
int korr_canvas_draw(korr_canvas* c, void* m, void* d, const char* camera, unsigned char* rgba, char* err, int errsz);
void korr_canvas_close(korr_canvas* c);
#endif
