//go:build mujoco

#include "gl.h"
#include <dlfcn.h>
#include <mujoco/mujoco.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is used of OSMesa, EGL and OpenGL, declared here so that building needs no GL headers. The numbers are the
// published constants of <GL/osmesa.h>, <EGL/egl.h>, <EGL/eglext.h> and <GL/gl.h>.
enum { OSMESA_RGBA = 0x1908, UNSIGNED_BYTE = 0x1401, GL_RENDERER_ = 0x1F01, GL_VERSION_ = 0x1F02 };
enum {
  EGL_SURFACE_TYPE = 0x3033, EGL_PBUFFER_BIT = 1, EGL_RENDERABLE_TYPE = 0x3040, EGL_OPENGL_BIT = 8, EGL_NONE = 0x3038,
  EGL_RED = 0x3024, EGL_GREEN = 0x3023, EGL_BLUE = 0x3022, EGL_ALPHA = 0x3021, EGL_DEPTH = 0x3025, EGL_OPENGL_API = 0x30A2,
  EGL_WIDTH = 0x3057, EGL_HEIGHT = 0x3056, EGL_PLATFORM_DEVICE = 0x313F, EGL_PLATFORM_SURFACELESS = 0x31DD,
};
typedef void* (*get_proc)(const char*);

struct korr_canvas {
  int width, height, egl;
  char renderer[160];
  // OSMesa
  void* mesa;
  unsigned char* window;  // what OSMesa calls its window; MuJoCo draws into a framebuffer object instead
  void (*mesa_destroy)(void*);
  // EGL
  void *display, *surface, *context;
  get_proc proc;
  // MuJoCo
  int made;
  uint64_t assets;  // of the model that con was made from
  mjrContext con;
  mjvScene scene;
  mjvOption option;
  unsigned char* rgb;
};

// MuJoCo reports what it cannot do by calling mju_user_error, which must not return. While a canvas draws, its thread
// has a trap; errors of other threads go to the handler that was there before.
static __thread jmp_buf* trap;
static __thread char message[512];
static void (*others)(const char*);
static pthread_mutex_t setup = PTHREAD_MUTEX_INITIALIZER;

static void on_error(const char* msg) {
  if (trap) {
    snprintf(message, sizeof message, "%s", msg);
    longjmp(*trap, 1);
  }
  if (others) others(msg);
  fprintf(stderr, "mujoco: %s\n", msg);
  abort();
}

static void install(void) {
  void (*now)(const char*) = __atomic_load_n(&mju_user_error, __ATOMIC_ACQUIRE);
  if (now == on_error) return;
  __atomic_store_n(&others, now, __ATOMIC_RELEASE);
  __atomic_store_n(&mju_user_error, on_error, __ATOMIC_RELEASE);
}

// MuJoCo 2.2.2 looks for eglGetProcAddress, OSMesaGetProcAddress and glXGetProcAddressARB, in this order, in the
// process's global scope: hence RTLD_GLOBAL.
static void* library(const char* name, char* err, int errsz) {
  void* h = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (!h) snprintf(err, errsz, "%s", dlerror());
  return h;
}

static int open_osmesa(korr_canvas* c, const char* name, char* err, int errsz) {
  void* lib = library(name, err, errsz);
  if (!lib) return -1;
  void* (*create)(unsigned, int, int, int, void*) = (void* (*)(unsigned, int, int, int, void*))dlsym(lib, "OSMesaCreateContextExt");
  unsigned char (*current)(void*, void*, unsigned, int, int) = (unsigned char (*)(void*, void*, unsigned, int, int))dlsym(lib, "OSMesaMakeCurrent");
  c->mesa_destroy = (void (*)(void*))dlsym(lib, "OSMesaDestroyContext");
  c->proc = (get_proc)dlsym(lib, "OSMesaGetProcAddress");
  if (!create || !current || !c->mesa_destroy || !c->proc) {
    snprintf(err, errsz, "%s lacks OSMesa's functions", name);
    return -1;
  }
  c->mesa = create(OSMESA_RGBA, 24, 8, 0, NULL);
  c->window = c->mesa ? calloc((size_t)c->width * c->height, 4) : NULL;
  if (c->window && current(c->mesa, c->window, UNSIGNED_BYTE, c->width, c->height)) return 0;
  snprintf(err, errsz, "%s gave no context of %d x %d", name, c->width, c->height);
  return -1;
}

// A display without a screen: a graphics card's, else Mesa's software one, else the default.
static void* egl_display(get_proc proc) {
  void* (*platform)(unsigned, void*, const int*) = (void* (*)(unsigned, void*, const int*))proc("eglGetPlatformDisplayEXT");
  unsigned (*devices)(int, void**, int*) = (unsigned (*)(int, void**, int*))proc("eglQueryDevicesEXT");
  unsigned (*init)(void*, int*, int*) = (unsigned (*)(void*, int*, int*))proc("eglInitialize");
  void* (*fallback)(void*) = (void* (*)(void*))proc("eglGetDisplay");
  void* dev[8];
  int n = 0;
  if (platform && devices && devices(8, dev, &n))
    for (int i = 0; i < n; i++) {
      void* d = platform(EGL_PLATFORM_DEVICE, dev[i], NULL);
      if (d && init(d, NULL, NULL)) return d;
    }
  void* d = platform ? platform(EGL_PLATFORM_SURFACELESS, NULL, NULL) : NULL;
  if (d && init(d, NULL, NULL)) return d;
  d = fallback(NULL);
  return d && init(d, NULL, NULL) ? d : NULL;
}

static int open_egl(korr_canvas* c, const char* name, char* err, int errsz) {
  void* lib = library(name, err, errsz);
  if (!lib) return -1;
  c->egl = 1;
  c->proc = (get_proc)dlsym(lib, "eglGetProcAddress");
  // EGL 1.4 hands out its own functions only through the library.
  unsigned (*choose)(void*, const int*, void**, int, int*) = (unsigned (*)(void*, const int*, void**, int, int*))dlsym(lib, "eglChooseConfig");
  unsigned (*bind)(unsigned) = (unsigned (*)(unsigned))dlsym(lib, "eglBindAPI");
  void* (*pbuffer)(void*, void*, const int*) = (void* (*)(void*, void*, const int*))dlsym(lib, "eglCreatePbufferSurface");
  void* (*context)(void*, void*, void*, const int*) = (void* (*)(void*, void*, void*, const int*))dlsym(lib, "eglCreateContext");
  unsigned (*current)(void*, void*, void*, void*) = (unsigned (*)(void*, void*, void*, void*))dlsym(lib, "eglMakeCurrent");
  if (!c->proc || !choose || !bind || !pbuffer || !context || !current) {
    snprintf(err, errsz, "%s lacks EGL's functions", name);
    return -1;
  }
  const int want[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_RED, 8, EGL_GREEN, 8,
                      EGL_BLUE, 8, EGL_ALPHA, 8, EGL_DEPTH, 24, EGL_NONE};
  const int size[] = {EGL_WIDTH, c->width, EGL_HEIGHT, c->height, EGL_NONE};
  void* config;
  int n = 0;
  c->display = egl_display(c->proc);
  if (!c->display) {
    snprintf(err, errsz, "%s found no driver for drawing without a screen", name);
    return -1;
  }
  if (bind(EGL_OPENGL_API) && choose(c->display, want, &config, 1, &n) && n == 1) {
    c->surface = pbuffer(c->display, config, size);
    c->context = context(c->display, config, NULL, NULL);
    if (c->context && current(c->display, c->surface, c->surface, c->context)) return 0;
  }
  snprintf(err, errsz, "%s gave no OpenGL context of %d x %d", name, c->width, c->height);
  return -1;
}

korr_canvas* korr_canvas_open(const char* osmesa, const char* egl, int width, int height, char* err, int errsz) {
  korr_canvas* c = calloc(1, sizeof *c);
  char first[256] = "", second[256] = "";
  if (!c) { snprintf(err, errsz, "out of memory"); return NULL; }
  c->width = width;
  c->height = height;
  c->rgb = malloc((size_t)width * height * 3);
  mjv_defaultScene(&c->scene);
  mjr_defaultContext(&c->con);
  mjv_defaultOption(&c->option);
  c->option.sitegroup[0] = 0;  // the tool point
  if (!c->rgb || (open_osmesa(c, osmesa, first, sizeof first) && open_egl(c, egl, second, sizeof second))) {
    snprintf(err, errsz, "%s; %s", first, second);
    korr_canvas_close(c);
    return NULL;
  }
  const char* (*gl_string)(unsigned) = (const char* (*)(unsigned))c->proc("glGetString");
  const char* r = gl_string ? gl_string(GL_RENDERER_) : NULL;
  const char* v = gl_string ? gl_string(GL_VERSION_) : NULL;
  snprintf(c->renderer, sizeof c->renderer, "%s, %s, OpenGL %s", c->egl ? "EGL" : "OSMesa", r ? r : "unknown", v ? v : "unknown");
  return c;
}

void korr_canvas_describe(const korr_canvas* c, char* out, int size) { snprintf(out, size, "%s", c->renderer); }

void korr_canvas_close(korr_canvas* c) {
  if (c->made) {
    mjr_freeContext(&c->con);
    mjv_freeScene(&c->scene);
  }
  if (c->mesa) c->mesa_destroy(c->mesa);
  if (c->display) {
    unsigned (*current)(void*, void*, void*, void*) = (unsigned (*)(void*, void*, void*, void*))c->proc("eglMakeCurrent");
    unsigned (*destroy)(void*, void*) = (unsigned (*)(void*, void*))c->proc("eglDestroyContext");
    unsigned (*drop)(void*, void*) = (unsigned (*)(void*, void*))c->proc("eglDestroySurface");
    if (current) current(c->display, NULL, NULL, NULL);
    if (c->context && destroy) destroy(c->display, c->context);
    if (c->surface && drop) drop(c->display, c->surface);
  }
  free(c->window);
  free(c->rgb);
  free(c);
}

static uint64_t mix(uint64_t h, const void* p, size_t n) {
  const unsigned char* b = p;
  for (size_t i = 0; i < n; i++) h = (h ^ b[i]) * 1099511628211u;
  return h;
}

// What mjr_makeContext copies from a model: equal for all environments of a task, which therefore share one context.
static uint64_t assets(const mjModel* m) {
  int n[] = {m->ntex, m->ntexdata, m->nmesh, m->nmeshvert, m->nhfield, m->nhfielddata, m->nskin, m->ngeom};
  uint64_t h = mix(14695981039346656037u, n, sizeof n);
  h = mix(h, &m->vis, sizeof m->vis);
  h = mix(h, &m->stat, sizeof m->stat);
  h = mix(h, m->tex_rgb, m->ntexdata);
  h = mix(h, m->mesh_vert, sizeof(float) * 3 * m->nmeshvert);
  for (int i = 0; i < m->ngeom; i++)
    if (m->geom_type[i] == mjGEOM_PLANE) h = mix(h, m->geom_size + 3 * i, 3 * sizeof(mjtNum));
  return h;
}

static void prepare(korr_canvas* c, mjModel* m, uint64_t key) {
  if (c->made) {
    c->made = 0;
    mjr_freeContext(&c->con);
    mjv_freeScene(&c->scene);
  }
  mjr_defaultContext(&c->con);
  mjv_defaultScene(&c->scene);
  int w = m->vis.global.offwidth, h = m->vis.global.offheight;
  m->vis.global.offwidth = c->width;
  m->vis.global.offheight = c->height;
  mjv_makeScene(m, &c->scene, 2000);
  mjr_makeContext(m, &c->con, mjFONTSCALE_100);
  m->vis.global.offwidth = w;
  m->vis.global.offheight = h;
  mjr_setBuffer(mjFB_OFFSCREEN, &c->con);
  c->made = 1;
  c->assets = key;
}

static int draw(korr_canvas* c, mjModel* m, mjData* d, int camera, unsigned char* rgba, char* err, int errsz) {
  mjvCamera cam;
  mjrRect all = {0, 0, c->width, c->height};
  mjv_defaultCamera(&cam);
  cam.type = mjCAMERA_FIXED;
  cam.fixedcamid = camera;
  mjv_updateScene(m, d, &c->option, NULL, &cam, mjCAT_ALL, &c->scene);
  mjr_render(all, &c->scene, &c->con);
  mjr_readPixels(c->rgb, NULL, all, &c->con);
  int bad = mjr_getError();
  if (bad || c->con.currentBuffer != mjFB_OFFSCREEN) {
    snprintf(err, errsz, "OpenGL error 0x%x with %s", bad, c->renderer);
    return -1;
  }
  for (int y = 0; y < c->height; y++) {
    const unsigned char* from = c->rgb + (size_t)(c->height - 1 - y) * c->width * 3;
    for (int x = 0; x < c->width; x++, from += 3, rgba += 4) {
      memcpy(rgba, from, 3);
      rgba[3] = 255;
    }
  }
  return 0;
}

int korr_canvas_draw(korr_canvas* c, void* model, void* data, const char* camera, unsigned char* rgba, char* err, int errsz) {
  mjModel* m = model;
  int id = mj_name2id(m, mjOBJ_CAMERA, camera);
  if (id < 0) {
    int n = snprintf(err, errsz, "no camera \"%s\"; the model has", camera);
    for (int i = 0; i < m->ncam && n < errsz; i++) n += snprintf(err + n, errsz - n, " \"%s\"", mj_id2name(m, mjOBJ_CAMERA, i));
    return -1;
  }
  jmp_buf here;
  volatile int locked = 0;
  trap = &here;
  if (setjmp(here)) {
    trap = NULL;
    if (locked) pthread_mutex_unlock(&setup);
    snprintf(err, errsz, "%s (%s)", message, c->renderer);
    return -1;
  }
  uint64_t key = assets(m);
  if (!c->made || key != c->assets) {  // MuJoCo's table of OpenGL functions is shared by all contexts
    pthread_mutex_lock(&setup);
    locked = 1;
    install();
    prepare(c, m, key);
    locked = 0;
    pthread_mutex_unlock(&setup);
  }
  int rc = draw(c, m, data, id, rgba, err, errsz);
  trap = NULL;
  return rc;
}
