--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: river_job_state; Type: TYPE; Schema: public; Owner: -
--

CREATE TYPE public.river_job_state AS ENUM (
    'available',
    'cancelled',
    'completed',
    'discarded',
    'pending',
    'retryable',
    'running',
    'scheduled'
);


--
-- Name: ledger_in_order(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ledger_in_order() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM ledger) THEN
        RAISE EXCEPTION 'the ledger is append-only: an entry follows the last one';
    END IF;
    RETURN NEW;
END;
$$;


--
-- Name: ledger_is_append_only(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ledger_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: its entries are never updated or deleted';
END;
$$;


--
-- Name: river_job_state_in_bitmask(bit, public.river_job_state); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.river_job_state_in_bitmask(bitmask bit, state public.river_job_state) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE state
        WHEN 'available' THEN get_bit(bitmask, 7)
        WHEN 'cancelled' THEN get_bit(bitmask, 6)
        WHEN 'completed' THEN get_bit(bitmask, 5)
        WHEN 'discarded' THEN get_bit(bitmask, 4)
        WHEN 'pending'   THEN get_bit(bitmask, 3)
        WHEN 'retryable' THEN get_bit(bitmask, 2)
        WHEN 'running'   THEN get_bit(bitmask, 1)
        WHEN 'scheduled' THEN get_bit(bitmask, 0)
        ELSE 0
    END = 1;
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: awaited_checks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.awaited_checks (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    name text NOT NULL,
    told bigint NOT NULL
);


--
-- Name: branch_pushes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.branch_pushes (
    repository bigint NOT NULL,
    branch text NOT NULL,
    at bigint NOT NULL,
    was text NOT NULL,
    sha text NOT NULL,
    arrived bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: check_runs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.check_runs (
    repository bigint NOT NULL,
    sha text NOT NULL,
    number bigint NOT NULL,
    run_id bigint NOT NULL,
    status text NOT NULL,
    conclusion text NOT NULL,
    digest text NOT NULL,
    external_id text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);


--
-- Name: checks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.checks (
    repository bigint NOT NULL,
    sha text NOT NULL,
    name text NOT NULL,
    app text NOT NULL,
    status bigint NOT NULL,
    run_id bigint NOT NULL,
    id bigint NOT NULL,
    pending bigint NOT NULL,
    at bigint NOT NULL,
    arrived bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: checks_read; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.checks_read (
    repository bigint NOT NULL,
    sha text NOT NULL,
    at bigint NOT NULL
);


--
-- Name: commands; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.commands (
    comment bigint NOT NULL,
    repository bigint NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    body text NOT NULL,
    done_at bigint DEFAULT 0 NOT NULL,
    outcome text DEFAULT ''::text NOT NULL
);


--
-- Name: debts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.debts (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    owner bigint NOT NULL,
    due_at bigint NOT NULL,
    settled_at bigint NOT NULL
);


--
-- Name: deliveries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.deliveries (
    id text NOT NULL,
    event text NOT NULL,
    action text NOT NULL,
    repository bigint NOT NULL,
    received_at bigint NOT NULL
);


--
-- Name: delivery_log; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.delivery_log (
    looked_to bigint NOT NULL,
    top bigint NOT NULL,
    cursor text NOT NULL
);


--
-- Name: doubts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.doubts (
    since bigint NOT NULL,
    until bigint NOT NULL
);


--
-- Name: effects; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.effects (
    key text NOT NULL,
    kind text NOT NULL,
    repository bigint NOT NULL,
    number bigint NOT NULL,
    sha text NOT NULL,
    body text NOT NULL,
    state text NOT NULL,
    result text NOT NULL,
    intended_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    attempted_at bigint DEFAULT 0 NOT NULL
);


--
-- Name: errand_notes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.errand_notes (
    repository bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    id text NOT NULL,
    at bigint NOT NULL,
    arrived bigint NOT NULL,
    taken_at bigint DEFAULT 0 NOT NULL,
    body text NOT NULL
);


--
-- Name: errands; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.errands (
    repository bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    wanted bigint DEFAULT 0 NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    run bigint DEFAULT 0 NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    problem text DEFAULT ''::text NOT NULL,
    recheck_at bigint DEFAULT 0 NOT NULL,
    raised_at bigint NOT NULL,
    state text DEFAULT ''::text NOT NULL,
    issue bigint DEFAULT 0 NOT NULL
);


--
-- Name: facts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.facts (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    id text NOT NULL,
    at bigint NOT NULL,
    arrived bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: fences; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fences (
    last bigint NOT NULL
);


--
-- Name: goose_db_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.goose_db_version (
    id integer NOT NULL,
    version_id bigint NOT NULL,
    is_applied boolean NOT NULL,
    tstamp timestamp without time zone DEFAULT now() NOT NULL
);


--
-- Name: goose_db_version_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.goose_db_version ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.goose_db_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: identities; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.identities (
    kind text NOT NULL,
    scope text NOT NULL,
    name text NOT NULL,
    id bigint NOT NULL,
    at bigint NOT NULL
);


--
-- Name: installations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.installations (
    id bigint NOT NULL,
    blocked_until bigint NOT NULL,
    ended bigint DEFAULT 0 NOT NULL
);


--
-- Name: leases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.leases (
    name text NOT NULL,
    holder text NOT NULL,
    fence bigint NOT NULL,
    until bigint NOT NULL
);


--
-- Name: ledger; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger (
    seq bigint NOT NULL,
    at bigint NOT NULL,
    kind text NOT NULL,
    repository bigint NOT NULL,
    number bigint NOT NULL,
    sha text NOT NULL,
    record text NOT NULL,
    hash text NOT NULL
);


--
-- Name: ledger_checkpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_checkpoints (
    size bigint NOT NULL,
    key text NOT NULL,
    at bigint NOT NULL,
    note text NOT NULL
);


--
-- Name: ledger_exhibits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_exhibits (
    digest text NOT NULL,
    text text NOT NULL
);


--
-- Name: ledger_head; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_head (
    last_seq bigint NOT NULL,
    tree_size bigint DEFAULT 0 NOT NULL
);


--
-- Name: ledger_tree; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_tree (
    place bigint NOT NULL,
    hash text NOT NULL
);


--
-- Name: missing_deliveries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.missing_deliveries (
    id text NOT NULL,
    attempt bigint NOT NULL,
    event text NOT NULL,
    action text NOT NULL,
    rank bigint NOT NULL,
    delivered_at bigint NOT NULL,
    asked bigint DEFAULT 0 NOT NULL,
    due_at bigint DEFAULT 0 NOT NULL
);


--
-- Name: policies_in_force; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.policies_in_force (
    repository bigint NOT NULL,
    branch text NOT NULL,
    digest text NOT NULL
);


--
-- Name: pull_decisions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pull_decisions (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    decision text NOT NULL
);


--
-- Name: pull_snapshots; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pull_snapshots (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    snapshot text NOT NULL
);


--
-- Name: pulls; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pulls (
    repository bigint NOT NULL,
    number bigint NOT NULL,
    state text DEFAULT ''::text NOT NULL,
    head text DEFAULT ''::text NOT NULL,
    base text DEFAULT ''::text NOT NULL,
    updated_at bigint DEFAULT 0 NOT NULL,
    read_at bigint DEFAULT 0 NOT NULL,
    unsure bigint DEFAULT 0 NOT NULL,
    gone bigint DEFAULT 0 NOT NULL,
    wanted bigint DEFAULT 0 NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    concerns bigint DEFAULT 0 NOT NULL,
    taken bigint DEFAULT 0 NOT NULL,
    run bigint DEFAULT 0 NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    problem text DEFAULT ''::text NOT NULL,
    recheck_at bigint DEFAULT 0 NOT NULL,
    digest text DEFAULT ''::text NOT NULL,
    decided_head text DEFAULT ''::text NOT NULL,
    decided_at bigint DEFAULT 0 NOT NULL,
    job_due bigint DEFAULT 0 NOT NULL,
    job_trace text DEFAULT ''::text NOT NULL
);


--
-- Name: replicas; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.replicas (
    id text NOT NULL,
    seen_at timestamp with time zone NOT NULL
);


--
-- Name: repositories; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.repositories (
    id bigint NOT NULL,
    owner text NOT NULL,
    name text NOT NULL,
    default_branch text NOT NULL,
    owner_is_user bigint NOT NULL,
    installation bigint NOT NULL,
    gone bigint DEFAULT 0 NOT NULL,
    told_at bigint DEFAULT 0 NOT NULL
);


--
-- Name: river_job; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.river_job (
    id bigint NOT NULL,
    state public.river_job_state DEFAULT 'available'::public.river_job_state NOT NULL,
    attempt smallint DEFAULT 0 NOT NULL,
    max_attempts smallint DEFAULT 25 NOT NULL,
    attempted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finalized_at timestamp with time zone,
    scheduled_at timestamp with time zone DEFAULT now() NOT NULL,
    priority smallint DEFAULT 1 NOT NULL,
    args jsonb NOT NULL,
    attempted_by text[],
    errors jsonb[],
    kind text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    queue text DEFAULT 'default'::text NOT NULL,
    tags character varying(255)[] DEFAULT '{}'::character varying[] NOT NULL,
    unique_key bytea,
    unique_states bit(8),
    CONSTRAINT finalized_or_finalized_at_null CHECK ((((finalized_at IS NULL) AND (state <> ALL (ARRAY['cancelled'::public.river_job_state, 'completed'::public.river_job_state, 'discarded'::public.river_job_state]))) OR ((finalized_at IS NOT NULL) AND (state = ANY (ARRAY['cancelled'::public.river_job_state, 'completed'::public.river_job_state, 'discarded'::public.river_job_state]))))),
    CONSTRAINT kind_length CHECK (((char_length(kind) > 0) AND (char_length(kind) < 128))),
    CONSTRAINT max_attempts_is_positive CHECK ((max_attempts > 0)),
    CONSTRAINT priority_in_range CHECK (((priority >= 1) AND (priority <= 4))),
    CONSTRAINT queue_length CHECK (((char_length(queue) > 0) AND (char_length(queue) < 128)))
);


--
-- Name: river_job_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.river_job_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: river_job_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.river_job_id_seq OWNED BY public.river_job.id;


--
-- Name: river_leader; Type: TABLE; Schema: public; Owner: -
--

CREATE UNLOGGED TABLE public.river_leader (
    elected_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    leader_id text NOT NULL,
    name text DEFAULT 'default'::text NOT NULL,
    CONSTRAINT leader_id_length CHECK (((char_length(leader_id) > 0) AND (char_length(leader_id) < 128))),
    CONSTRAINT name_length CHECK ((name = 'default'::text))
);


--
-- Name: river_migration; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.river_migration (
    line text NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT line_length CHECK (((char_length(line) > 0) AND (char_length(line) < 128))),
    CONSTRAINT version_gte_1 CHECK ((version >= 1))
);


--
-- Name: river_notification; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.river_notification (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    payload text NOT NULL,
    topic text NOT NULL,
    CONSTRAINT topic_length CHECK (((length(topic) > 0) AND (length(topic) < 128)))
);


--
-- Name: river_notification_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.river_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: river_notification_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.river_notification_id_seq OWNED BY public.river_notification.id;


--
-- Name: river_queue; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.river_queue (
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    paused_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);


--
-- Name: river_job id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.river_job ALTER COLUMN id SET DEFAULT nextval('public.river_job_id_seq'::regclass);


--
-- Name: river_notification id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.river_notification ALTER COLUMN id SET DEFAULT nextval('public.river_notification_id_seq'::regclass);


--
-- Data for Name: awaited_checks; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: branch_pushes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: check_runs; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.check_runs VALUES (7, 'h1', 1, 9, 'in_progress', '', '', 'create:h1', 1767603600000000, 1767603600000000);


--
-- Data for Name: checks; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.checks VALUES (7, 'h1', 'build', 'github-actions', 0, 5, 5, 0, 0, 1767603600000000, '{"name":"build","state":"success","app":"github-actions","run_id":5}');


--
-- Data for Name: checks_read; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: commands; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: debts; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: deliveries; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.deliveries VALUES ('one', 'pull_request', 'opened', 7, 1767603600000000);
INSERT INTO public.deliveries VALUES ('two', 'check_run', 'completed', 7, 1767603600000000);


--
-- Data for Name: delivery_log; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.delivery_log VALUES (0, 0, '');


--
-- Data for Name: doubts; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: effects; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.effects VALUES ('create:h1', 'create check run', 7, 1, 'h1', '"it"', 'done', '"done"', 1767603600000000, 1767603600000000, 0);


--
-- Data for Name: errand_notes; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.errand_notes VALUES (7, 'branch', 'main', 'n1', 1767603600000000, 1767603600000000, 0, '{"after":"c1"}');


--
-- Data for Name: errands; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.errands VALUES (7, 'branch', 'main', 1, 0, 0, 0, '', 0, 1767603600000000, '{"tip":"c0"}', 4);


--
-- Data for Name: facts; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: fences; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.fences VALUES (1);


--
-- Data for Name: goose_db_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.goose_db_version VALUES (1, 0, true, '2026-11-22 06:42:35.942695');
INSERT INTO public.goose_db_version VALUES (2, 1, true, '2026-11-22 06:42:35.945011');
INSERT INTO public.goose_db_version VALUES (3, 2, true, '2026-11-22 06:42:35.959878');
INSERT INTO public.goose_db_version VALUES (4, 3, true, '2026-11-22 06:42:35.964466');
INSERT INTO public.goose_db_version VALUES (5, 4, true, '2026-11-22 06:42:35.968208');
INSERT INTO public.goose_db_version VALUES (6, 5, true, '2026-11-22 06:42:35.970059');
INSERT INTO public.goose_db_version VALUES (7, 6, true, '2026-11-22 06:42:35.971178');
INSERT INTO public.goose_db_version VALUES (8, 7, true, '2026-11-22 06:42:35.971636');
INSERT INTO public.goose_db_version VALUES (9, 8, true, '2026-11-22 06:42:35.972093');
INSERT INTO public.goose_db_version VALUES (10, 9, true, '2026-11-22 06:42:35.972466');
INSERT INTO public.goose_db_version VALUES (11, 10, true, '2026-11-22 06:42:35.982298');
INSERT INTO public.goose_db_version VALUES (12, 11, true, '2026-11-22 06:42:35.983941');
INSERT INTO public.goose_db_version VALUES (13, 12, true, '2026-11-22 06:42:35.985093');


--
-- Data for Name: identities; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.identities VALUES ('team', 'acme', 'security', 12, 1767603600000000);


--
-- Data for Name: installations; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: leases; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.leases VALUES ('head:7:h1', 'somebody', 1, 1767603660000000);


--
-- Data for Name: ledger; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ledger VALUES (1, 1767603600000000, 'decision changed', 7, 1, 'h1', '{"at":"2026-01-05T09:00:00Z","body":{"says":"it''s yellow"},"kind":"decision changed","number":1,"repository":7,"seq":1,"sha":"h1"}', 'aNtAzugd0IE/Wnna/c4rUPYo/S3dP/70e+qX3gPW3VQ=');
INSERT INTO public.ledger VALUES (2, 1767603600000000, 'effect intended', 7, 1, 'h1', '{"at":"2026-01-05T09:00:00Z","body":{"detail":"it","effect":"create check run","key":"create:h1"},"kind":"effect intended","number":1,"repository":7,"seq":2,"sha":"h1"}', '//fXZVeT6np0AlpySboCvIVU13pV4vNmfnNigXM2wfs=');
INSERT INTO public.ledger VALUES (3, 1767603600000000, 'effect done', 7, 1, 'h1', '{"at":"2026-01-05T09:00:00Z","body":{"detail":"done","effect":"create check run","key":"create:h1"},"kind":"effect done","number":1,"repository":7,"seq":3,"sha":"h1"}', 'ELQ1PJ3wfuniPMPLtdHv1Ahw+kOBPDTLyZhR9AZpN50=');


--
-- Data for Name: ledger_checkpoints; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: ledger_exhibits; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: ledger_head; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ledger_head VALUES (3, 3);


--
-- Data for Name: ledger_tree; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ledger_tree VALUES (2, 'rhx3U0hDZSbHq8jYCggY5KChKX+uEWusHMVXvCrjHKk=');


--
-- Data for Name: missing_deliveries; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: policies_in_force; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: pull_decisions; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.pull_decisions VALUES (7, 1, '{"pull":{"repository":7,"number":1},"head":"h1","policy":{"source":"","digest":""},"governed":true,"category":"uncategorized","verdict":"undecided","requirements":null,"matches":null}');


--
-- Data for Name: pull_snapshots; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.pull_snapshots VALUES (7, 1, '{"number":1,"title":"It''s a title; with\nlines","body":"","author":{"id":1,"login":"alice","kind":"User"},"state":"open","head":{"repository":7,"owner":"acme","name":"topic","sha":"h1"},"base":{"repository":7,"owner":"acme","name":"main","sha":"b0"},"created_at":"2026-01-05T09:00:00Z","updated_at":"2026-01-05T09:00:00Z"}');


--
-- Data for Name: pulls; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.pulls VALUES (7, 1, 'open', 'h1', 'main', 1767603600000000, 0, 0, 0, 1, 0, 1, 0, 0, 0, '', 0, 'digest', 'h1', 1767603600000000, 0, '');


--
-- Data for Name: replicas; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: repositories; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.repositories VALUES (7, 'acme', 'shop', 'main', 0, 70, 0, 0);


--
-- Data for Name: river_job; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: river_leader; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: river_migration; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.river_migration VALUES ('main', 1, '2026-11-22 06:42:35.918072+00');
INSERT INTO public.river_migration VALUES ('main', 2, '2026-11-22 06:42:35.922457+00');
INSERT INTO public.river_migration VALUES ('main', 3, '2026-11-22 06:42:35.929088+00');
INSERT INTO public.river_migration VALUES ('main', 4, '2026-11-22 06:42:35.93+00');
INSERT INTO public.river_migration VALUES ('main', 5, '2026-11-22 06:42:35.932252+00');
INSERT INTO public.river_migration VALUES ('main', 6, '2026-11-22 06:42:35.936919+00');
INSERT INTO public.river_migration VALUES ('main', 7, '2026-11-22 06:42:35.938419+00');


--
-- Data for Name: river_notification; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: river_queue; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Name: goose_db_version_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.goose_db_version_id_seq', 13, true);


--
-- Name: river_job_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.river_job_id_seq', 1, false);


--
-- Name: river_notification_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.river_notification_id_seq', 1, false);


--
-- Name: awaited_checks awaited_checks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.awaited_checks
    ADD CONSTRAINT awaited_checks_pkey PRIMARY KEY (repository, number, name);


--
-- Name: branch_pushes branch_pushes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.branch_pushes
    ADD CONSTRAINT branch_pushes_pkey PRIMARY KEY (repository, branch, at, was, sha);


--
-- Name: check_runs check_runs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.check_runs
    ADD CONSTRAINT check_runs_pkey PRIMARY KEY (repository, sha);


--
-- Name: checks checks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checks
    ADD CONSTRAINT checks_pkey PRIMARY KEY (repository, sha, name, app, status, run_id);


--
-- Name: checks_read checks_read_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.checks_read
    ADD CONSTRAINT checks_read_pkey PRIMARY KEY (repository, sha);


--
-- Name: commands commands_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (comment);


--
-- Name: debts debts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.debts
    ADD CONSTRAINT debts_pkey PRIMARY KEY (repository, number, kind);


--
-- Name: deliveries deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);


--
-- Name: effects effects_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.effects
    ADD CONSTRAINT effects_pkey PRIMARY KEY (key);


--
-- Name: errand_notes errand_notes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.errand_notes
    ADD CONSTRAINT errand_notes_pkey PRIMARY KEY (repository, kind, name, id);


--
-- Name: errands errands_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.errands
    ADD CONSTRAINT errands_pkey PRIMARY KEY (repository, kind, name);


--
-- Name: facts facts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (repository, number, kind, id);


--
-- Name: goose_db_version goose_db_version_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.goose_db_version
    ADD CONSTRAINT goose_db_version_pkey PRIMARY KEY (id);


--
-- Name: identities identities_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (kind, scope, name);


--
-- Name: installations installations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.installations
    ADD CONSTRAINT installations_pkey PRIMARY KEY (id);


--
-- Name: leases leases_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);


--
-- Name: ledger_checkpoints ledger_checkpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_checkpoints
    ADD CONSTRAINT ledger_checkpoints_pkey PRIMARY KEY (size, key);


--
-- Name: ledger_exhibits ledger_exhibits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_exhibits
    ADD CONSTRAINT ledger_exhibits_pkey PRIMARY KEY (digest);


--
-- Name: ledger ledger_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (seq);


--
-- Name: ledger_tree ledger_tree_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_tree
    ADD CONSTRAINT ledger_tree_pkey PRIMARY KEY (place);


--
-- Name: missing_deliveries missing_deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.missing_deliveries
    ADD CONSTRAINT missing_deliveries_pkey PRIMARY KEY (id);


--
-- Name: policies_in_force policies_in_force_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.policies_in_force
    ADD CONSTRAINT policies_in_force_pkey PRIMARY KEY (repository, branch);


--
-- Name: pull_decisions pull_decisions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pull_decisions
    ADD CONSTRAINT pull_decisions_pkey PRIMARY KEY (repository, number);


--
-- Name: pull_snapshots pull_snapshots_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pull_snapshots
    ADD CONSTRAINT pull_snapshots_pkey PRIMARY KEY (repository, number);


--
-- Name: pulls pulls_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pulls
    ADD CONSTRAINT pulls_pkey PRIMARY KEY (repository, number);


--
-- Name: replicas replicas_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.replicas
    ADD CONSTRAINT replicas_pkey PRIMARY KEY (id);


--
-- Name: repositories repositories_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.repositories
    ADD CONSTRAINT repositories_pkey PRIMARY KEY (id);


--
-- Name: river_job river_job_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.river_job
    ADD CONSTRAINT river_job_pkey PRIMARY KEY (id);


--
-- Name: river_leader river_leader_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.river_leader
    ADD CONSTRAINT river_leader_pkey PRIMARY KEY (name);


--
-- Name: river_migration river_migration_pkey1; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.river_migration
    ADD CONSTRAINT river_migration_pkey1 PRIMARY KEY (line, version);


--
-- Name: river_notification river_notification_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.river_notification
    ADD CONSTRAINT river_notification_pkey PRIMARY KEY (id);


--
-- Name: river_queue river_queue_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.river_queue
    ADD CONSTRAINT river_queue_pkey PRIMARY KEY (name);


--
-- Name: check_runs_pull; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX check_runs_pull ON public.check_runs USING btree (repository, number);


--
-- Name: check_runs_unfinished; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX check_runs_unfinished ON public.check_runs USING btree (created_at) WHERE (status <> 'completed'::text);


--
-- Name: commands_waiting; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX commands_waiting ON public.commands USING btree (repository, number) WHERE (done_at = 0);


--
-- Name: debts_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX debts_owner ON public.debts USING btree (owner);


--
-- Name: deliveries_received_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_received_at ON public.deliveries USING btree (received_at);


--
-- Name: effects_head; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX effects_head ON public.effects USING btree (repository, sha);


--
-- Name: effects_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX effects_open ON public.effects USING btree (repository, number) WHERE (state = 'intended'::text);


--
-- Name: effects_pull; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX effects_pull ON public.effects USING btree (repository, number);


--
-- Name: errand_notes_taken; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX errand_notes_taken ON public.errand_notes USING btree (taken_at) WHERE (taken_at > 0);


--
-- Name: errands_issue; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX errands_issue ON public.errands USING btree (repository, issue) WHERE (issue <> 0);


--
-- Name: errands_recheck; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX errands_recheck ON public.errands USING btree (recheck_at) WHERE (recheck_at > 0);


--
-- Name: errands_wanted; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX errands_wanted ON public.errands USING btree (repository, kind, name) WHERE (wanted <> done);


--
-- Name: ledger_pull; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ledger_pull ON public.ledger USING btree (repository, number, seq);


--
-- Name: pulls_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pulls_open ON public.pulls USING btree (repository, number) WHERE ((state = 'open'::text) AND (gone = 0));


--
-- Name: pulls_open_base; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pulls_open_base ON public.pulls USING btree (repository, base) WHERE ((state = 'open'::text) AND (gone = 0));


--
-- Name: pulls_open_head; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pulls_open_head ON public.pulls USING btree (repository, head) WHERE ((state = 'open'::text) AND (gone = 0));


--
-- Name: pulls_wanted; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pulls_wanted ON public.pulls USING btree (repository, number) WHERE (wanted <> done);


--
-- Name: repositories_installation; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX repositories_installation ON public.repositories USING btree (installation);


--
-- Name: river_job_args_index; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX river_job_args_index ON public.river_job USING gin (args);


--
-- Name: river_job_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX river_job_kind ON public.river_job USING btree (kind);


--
-- Name: river_job_metadata_index; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX river_job_metadata_index ON public.river_job USING gin (metadata);


--
-- Name: river_job_prioritized_fetching_index; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX river_job_prioritized_fetching_index ON public.river_job USING btree (state, queue, priority, scheduled_at, id);


--
-- Name: river_job_state_and_finalized_at_index; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX river_job_state_and_finalized_at_index ON public.river_job USING btree (state, finalized_at) WHERE (finalized_at IS NOT NULL);


--
-- Name: river_job_unique_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX river_job_unique_idx ON public.river_job USING btree (unique_key) WHERE ((unique_key IS NOT NULL) AND (unique_states IS NOT NULL) AND public.river_job_state_in_bitmask(unique_states, state));


--
-- Name: river_notification_created_at_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX river_notification_created_at_idx ON public.river_notification USING btree (created_at);


--
-- Name: river_notification_topic_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX river_notification_topic_id_idx ON public.river_notification USING btree (topic, id);


--
-- Name: ledger_exhibits ledger_exhibits_is_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_exhibits_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_exhibits FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_is_append_only();


--
-- Name: ledger ledger_in_order; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_in_order BEFORE INSERT ON public.ledger FOR EACH ROW EXECUTE FUNCTION public.ledger_in_order();


--
-- Name: ledger ledger_is_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_is_append_only();


--
-- Name: ledger_tree ledger_tree_is_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER ledger_tree_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_tree FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_is_append_only();


--
-- PostgreSQL database dump complete
--


