"""A real nginx that gives out files over HTTPS, as operators keep content elsewhere.

    files = nginx.Nginx(site.directory)
    url = files.put("atlas", content)
    files.start()
"""

import shutil

from harness import pki, process, wait

CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    log_format asked '$request_method $uri $http_range $status $body_bytes_sent';
    access_log {folder}/access.log asked;
    client_body_temp_path {folder}/tmp;
    proxy_temp_path {folder}/tmp;
    fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp;
    scgi_temp_path {folder}/tmp;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name localhost;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        root {folder}/files;
    }}
}}
"""


class Nginx:
    def __init__(self, directory):
        self.folder = directory / "nginx"
        (self.folder / "files").mkdir(parents=True)
        self.authority = pki.Authority(self.folder, "content")
        self.leaf = self.authority.issue("content-server", dns=["localhost"],
                                         usages=[pki.SERVER])
        self.port = wait.free_port()
        self.process = None

    def put(self, name, content):
        """Where the content is now."""
        (self.folder / "files" / name).write_bytes(content)
        return f"https://localhost:{self.port}/{name}"

    def requests(self):
        """[method, path, range, status, bytes] of what was asked so far."""
        log = self.folder / "access.log"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    def start(self):
        path = self.folder / "nginx.conf"
        path.write_text(CONFIGURATION.format(folder=self.folder, port=self.port,
                                             certificate=self.leaf.path,
                                             key=self.leaf.key_path))
        # It is in sbin, where not everybody looks.
        program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert program, "nginx is not installed: contrib/install-packages"
        self.process = process.Process(
            "nginx", [program, "-e", "stderr", "-p", self.folder, "-c", path], self.folder)
        self.process.wait_port(self.port)

    def stop(self):
        self.process.kill()

    def complaints(self):
        return []
