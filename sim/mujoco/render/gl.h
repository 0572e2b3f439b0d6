// Off-screen OpenGL for MuJoCo's renderer: a context from libOSMesa (software) or libEGL, opened at run time.
#ifndef KORR_RENDER_GL_H
#define KORR_RENDER_GL_H

typedef struct korr_canvas korr_canvas;

// Opens a context of this size with OSMesa when that library loads, else with EGL. Returns NULL and says in err what
// each of them lacks. The context is current on the calling thread, and every other call must come from that thread.
korr_canvas* korr_canvas_open(const char* osmesa, const char* egl, int width, int height, char* err, int errsz);
// What draws: "OSMesa" or "EGL", then the names that OpenGL gives itself.
const char* korr_canvas_name(const korr_canvas* c);
// Draws mjModel m and mjData d as a named camera of the model sees them into rgba (width*height*4, top row first; no
// larger than the canvas). Returns 0, or -1 with a message.
int korr_canvas_draw(korr_canvas* c, void* m, void* d, const char* camera, int width, int height, unsigned char* rgba, char* err, int errsz);
void korr_canvas_close(korr_canvas* c);
#endif
