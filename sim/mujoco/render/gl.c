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
// constants of <GL/osmesa.h>, <EGL/egl.h>, <EGL/eglext.h> and <GL/gl.h>.
enum { OSMESA_RGBA = 0x1908, UNSIGNED_BYTE = 0x1401, NAME_RENDERER = 0x1F01, NAME_VERSION = 0x1F02 };
enum {
  EGL_SURFACE_TYPE = 0x3033, EGL_PBUFFER_BIT = 1, EGL_RENDERABLE_TYPE = 0x3040, EGL_OPENGL_BIT = 8, EGL_NONE = 0x3038,
  EGL_RED = 0x3024, EGL_GREEN = 0x3023, EGL_BLUE = 0x3022, EGL_ALPHA = 0x3021, EGL_DEPTH = 0x3025, EGL_OPENGL_API = 0x30A2,
  EGL_WIDTH = 0x3057, EGL_HEIGHT = 0x3056, EGL_PLATFORM_DEVICE = 0x313F, EGL_PLATFORM_SURFACELESS = 0x31DD,
};
typedef void* (*get_proc)(const char*);
typedef void* (*osmesa_create)(unsigned format, int depth, int stencil, int accum, void* share);
typedef unsigned char (*osmesa_current)(void* context, void* buffer, unsigned type, int width, int height);
typedef unsigned (*egl_choose)(void* display, const int* want, void** configs, int size, int* n);
typedef void* (*egl_surface)(void* display, void* config, const int* attributes);
typedef void* (*egl_context)(void* display, void* config, void* share, const int* attributes);
typedef unsigned (*egl_current)(void* display, void* draw, void* read, void* context);
typedef unsigned (*egl_destroy)(void* display, void* what);

struct korr_canvas {
  int width, height;
  char name[192];
  get_proc proc;
  void* mesa;             // OSMesa's context
  unsigned char* window;  // and its window, which stays empty: MuJoCo draws into a framebuffer object
  void (*mesa_destroy)(void*);
  void *display, *surface, *context;  // EGL's
  int made;         // whether con and scene are
  uint64_t assets;  // of the model that con was made from
  mjrContext con;
  mjvScene scene;
  mjvOption option;
  unsigned char* rgb;
};

// MuJoCo reports what it cannot do by calling mju_user_error, which must not return. A thread that draws has a trap;
// errors of other threads go to the handler that was there before.
static __thread jmp_buf* trap;
static __thread char message[512];
static void (*others)(const char*);
static pthread_mutex_t setup = PTHREAD_MUTEX_INITIALIZER;

static void on_error(const char* msg) {
  if (trap) {
    snprintf(message, sizeof message, "%s", msg);
    longjmp(*trap, 1);
  }
  void (*next)(const char*) = __atomic_load_n(&others, __ATOMIC_ACQUIRE);
  if (next) next(msg);
  fprintf(stderr, "mujoco: %s\n", msg);
  abort();
}

static void install(void) {
  void (*now)(const char*) = __atomic_load_n(&mju_user_error, __ATOMIC_ACQUIRE);
  if (now == on_error) return;
  __atomic_store_n(&others, now, __ATOMIC_RELEASE);
  __atomic_store_n(&mju_user_error, on_error, __ATOMIC_RELEASE);
}

// MuJoCo 2.2.2 looks in the process's global scope for eglGetProcAddress, then OSMesaGetProcAddress, then
// glXGetProcAddressARB, and takes the first: only the library that gave a context may be visible there.
static void* library(const char* name, char* err, int errsz) {
  void* h = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!h) snprintf(err, errsz, "%s", dlerror());
  return h;
}

static void show(const char* name) { dlopen(name, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD); }

static int open_osmesa(korr_canvas* c, const char* name, char* err, int errsz) {
  void* lib = library(name, err, errsz);
  if (!lib) return -1;
  osmesa_create create = (osmesa_create)dlsym(lib, "OSMesaCreateContextExt");
  osmesa_current current = (osmesa_current)dlsym(lib, "OSMesaMakeCurrent");
  c->mesa_destroy = (void (*)(void*))dlsym(lib, "OSMesaDestroyContext");
  c->proc = (get_proc)dlsym(lib, "OSMesaGetProcAddress");
  if (!create || !current || !c->mesa_destroy || !c->proc) {
    snprintf(err, errsz, "%s lacks OSMesa's functions", name);
    return -1;
  }
  c->mesa = create(OSMESA_RGBA, 24, 8, 0, NULL);
  c->window = c->mesa ? calloc((size_t)c->width * c->height, 4) : NULL;
  if (c->window && current(c->mesa, c->window, UNSIGNED_BYTE, c->width, c->height)) {
    show(name);
    return 0;
  }
  snprintf(err, errsz, "%s gave no context of %d x %d", name, c->width, c->height);
  return -1;
}

// A display without a screen: a graphics card's, else Mesa's software one, else the default.
static void* egl_display(void* lib, get_proc proc) {
  void* (*platform)(unsigned, void*, const int*) = (void* (*)(unsigned, void*, const int*))proc("eglGetPlatformDisplayEXT");
  unsigned (*devices)(int, void**, int*) = (unsigned (*)(int, void**, int*))proc("eglQueryDevicesEXT");
  unsigned (*init)(void*, int*, int*) = (unsigned (*)(void*, int*, int*))dlsym(lib, "eglInitialize");
  void* (*standard)(void*) = (void* (*)(void*))dlsym(lib, "eglGetDisplay");
  void *dev[8], *d;
  int n = 0;
  if (!init || !standard) return NULL;
  if (platform && devices && devices(8, dev, &n))
    for (int i = 0; i < n; i++)
      if ((d = platform(EGL_PLATFORM_DEVICE, dev[i], NULL)) && init(d, NULL, NULL)) return d;
  if (platform && (d = platform(EGL_PLATFORM_SURFACELESS, NULL, NULL)) && init(d, NULL, NULL)) return d;
  d = standard(NULL);
  return d && init(d, NULL, NULL) ? d : NULL;
}

static int open_egl(korr_canvas* c, const char* name, char* err, int errsz) {
  void* lib = library(name, err, errsz);
  if (!lib) return -1;
  egl_choose choose = (egl_choose)dlsym(lib, "eglChooseConfig");
  unsigned (*bind)(unsigned) = (unsigned (*)(unsigned))dlsym(lib, "eglBindAPI");
  egl_surface pbuffer = (egl_surface)dlsym(lib, "eglCreatePbufferSurface");
  egl_context context = (egl_context)dlsym(lib, "eglCreateContext");
  egl_current current = (egl_current)dlsym(lib, "eglMakeCurrent");
  get_proc proc = (get_proc)dlsym(lib, "eglGetProcAddress");
  if (!proc || !choose || !bind || !pbuffer || !context || !current) {
    snprintf(err, errsz, "%s lacks EGL's functions", name);
    return -1;
  }
  c->proc = proc;
  c->display = egl_display(lib, proc);
  if (!c->display) {
    snprintf(err, errsz, "%s found no driver that draws without a screen", name);
    return -1;
  }
  const int want[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_RED, 8, EGL_GREEN, 8,
                      EGL_BLUE, 8, EGL_ALPHA, 8, EGL_DEPTH, 24, EGL_NONE};
  const int size[] = {EGL_WIDTH, c->width, EGL_HEIGHT, c->height, EGL_NONE};
  void* config;
  int n = 0;
  if (bind(EGL_OPENGL_API) && choose(c->display, want, &config, 1, &n) && n == 1) {
    c->surface = pbuffer(c->display, config, size);
    c->context = context(c->display, config, NULL, NULL);
    if (c->context && current(c->display, c->surface, c->surface, c->context)) {
      show(name);
      return 0;
    }
  }
  snprintf(err, errsz, "%s gave no OpenGL context of %d x %d", name, c->width, c->height);
  return -1;
}

// Once a library has given a context the process stays with it.
static int open_any(korr_canvas* c, const char* osmesa, const char* egl, char* err, int errsz) {
  static int with_osmesa, with_egl;
  char first[256] = "OSMesa: not used beside EGL", second[256] = "EGL: not used beside OSMesa";
  pthread_mutex_lock(&setup);
  int ok = !with_egl && open_osmesa(c, osmesa, first, sizeof first) == 0;
  with_osmesa |= ok;
  if (!with_osmesa) ok = with_egl = open_egl(c, egl, second, sizeof second) == 0;
  pthread_mutex_unlock(&setup);
  if (!ok) snprintf(err, errsz, "%s; %s", first, second);
  return ok ? 0 : -1;
}

korr_canvas* korr_canvas_open(const char* osmesa, const char* egl, int width, int height, char* err, int errsz) {
  korr_canvas* c = calloc(1, sizeof *c);
  unsigned char* rgb = malloc((size_t)width * height * 3);
  if (!c || !rgb) {
    snprintf(err, errsz, "out of memory");
    free(c);
    free(rgb);
    return NULL;
  }
  c->width = width;
  c->height = height;
  c->rgb = rgb;
  if (open_any(c, osmesa, egl, err, errsz)) {
    korr_canvas_close(c);
    return NULL;
  }
  mjv_defaultOption(&c->option);
  c->option.sitegroup[0] = 0;  // the tool point is no thing to be seen
  const char* (*names)(unsigned) = (const char* (*)(unsigned))c->proc("glGetString");
  const char* renderer = names ? names(NAME_RENDERER) : NULL;
  const char* version = names ? names(NAME_VERSION) : NULL;
  snprintf(c->name, sizeof c->name, "%s: %s, OpenGL %s", c->mesa ? "OSMesa" : "EGL", renderer ? renderer : "?", version ? version : "?");
  return c;
}

const char* korr_canvas_name(const korr_canvas* c) { return c->name; }

void korr_canvas_close(korr_canvas* c) {
  if (c->made) {
    mjr_freeContext(&c->con);
    mjv_freeScene(&c->scene);
  }
  if (c->mesa) c->mesa_destroy(c->mesa);
  if (c->display) {
    egl_current current = (egl_current)c->proc("eglMakeCurrent");
    egl_destroy context = (egl_destroy)c->proc("eglDestroyContext"), surface = (egl_destroy)c->proc("eglDestroySurface");
    if (current) current(c->display, NULL, NULL, NULL);
    if (c->context && context) context(c->display, c->context);
    if (c->surface && surface) surface(c->display, c->surface);
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
  h = mix(h, &m->stat.extent, sizeof m->stat.extent);
  h = mix(h, m->tex_rgb, m->ntexdata);
  h = mix(h, m->mesh_vert, sizeof(float) * 3 * m->nmeshvert);
  for (int i = 0; i < m->ngeom; i++)
    if (m->geom_type[i] == mjGEOM_PLANE) h = mix(h, m->geom_size + 3 * i, 3 * sizeof(mjtNum));
  return h;
}

static void prepare(korr_canvas* c, const mjModel* m, uint64_t key) {
  if (c->made) {
    c->made = 0;
    mjr_freeContext(&c->con);
    mjv_freeScene(&c->scene);
  }
  mjr_defaultContext(&c->con);
  mjv_defaultScene(&c->scene);
  mjModel sized = *m;  // borrows everything of m but its picture size
  sized.vis.global.offwidth = c->width;
  sized.vis.global.offheight = c->height;
  mjv_makeScene(&sized, &c->scene, 2000);
  mjr_makeContext(&sized, &c->con, mjFONTSCALE_100);
  mjr_setBuffer(mjFB_OFFSCREEN, &c->con);
  c->made = 1;
  c->assets = key;
}

static int draw(korr_canvas* c, mjModel* m, mjData* d, int camera, mjrRect view, unsigned char* rgba, char* err, int errsz) {
  mjvCamera cam;
  mjv_defaultCamera(&cam);
  cam.type = mjCAMERA_FIXED;
  cam.fixedcamid = camera;
  mjv_updateScene(m, d, &c->option, NULL, &cam, mjCAT_ALL, &c->scene);
  mjr_render(view, &c->scene, &c->con);
  mjr_readPixels(c->rgb, NULL, view, &c->con);
  int bad = mjr_getError();
  if (bad || c->con.currentBuffer != mjFB_OFFSCREEN) {
    snprintf(err, errsz, "OpenGL error 0x%x (%s)", bad, c->name);
    return -1;
  }
  for (int y = view.height - 1; y >= 0; y--) {
    const unsigned char* from = c->rgb + (size_t)y * view.width * 3;
    for (int x = 0; x < view.width; x++, from += 3, rgba += 4) {
      memcpy(rgba, from, 3);
      rgba[3] = 255;
    }
  }
  return 0;
}

int korr_canvas_draw(korr_canvas* c, void* model, void* data, const char* camera, int width, int height, unsigned char* rgba, char* err, int errsz) {
  mjModel* m = model;
  mjrRect view = {0, 0, width, height};
  int id = mj_name2id(m, mjOBJ_CAMERA, camera);
  if (id < 0) {
    int n = snprintf(err, errsz, "no such camera; the model has");
    for (int i = 0; i < m->ncam && n < errsz; i++) n += snprintf(err + n, errsz - n, " \"%s\"", mj_id2name(m, mjOBJ_CAMERA, i));
    return -1;
  }
  jmp_buf here;
  volatile int locked = 0;
  trap = &here;
  if (setjmp(here)) {
    trap = NULL;
    if (locked) pthread_mutex_unlock(&setup);
    snprintf(err, errsz, "%s (%s)", message, c->name);
    return -1;
  }
  uint64_t key = assets(m);
  if (!c->made || key != c->assets) {  // MuJoCo's table of OpenGL functions is one for all contexts
    pthread_mutex_lock(&setup);
    locked = 1;
    install();
    prepare(c, m, key);
    locked = 0;
    pthread_mutex_unlock(&setup);
  }
  int rc = draw(c, m, data, id, view, rgba, err, errsz);
  trap = NULL;
  return rc;
}
