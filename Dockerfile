# The page and its API: docker build -t colornet . && docker run -p 127.0.0.1:7860:7860 colornet
FROM python:3.12-slim
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir -c constraints.txt ".[web]" && rm -rf /source/*
RUN useradd --create-home visitor
USER visitor
WORKDIR /home/visitor
EXPOSE 7860
HEALTHCHECK --interval=30s --start-period=60s \
  CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/api/health')"
ENTRYPOINT ["colornet", "serve", "--host", "0.0.0.0"]
